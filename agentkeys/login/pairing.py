"""Pairing: a machine without a person shows a code, and its owner claims it somewhere else.

Source of the wire format: the broker's client contract, agent pairing. The broker hands the session
over once: an answer that is lost on its way cannot be had again.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from agentkeys.broker import BrokerClient, device_fields
from agentkeys.broker_refusals import Refusal, Refusals
from agentkeys.clock import Clock, Sleep
from agentkeys.errors import BrokerRefused, BrokerUnreachable, LoginFailed, LoginRequired
from agentkeys.login.polling import session_jwt
from agentkeys.quoting import quotable
from agentkeys.secret import Secret
from agentkeys.sessions import DeviceProof, parse_broker_session

__all__ = ["Pairing", "await_claim", "known_device", "request_pairing"]

POLL_SECONDS = 3.0
LONGEST = timedelta(seconds=600)
"""How long brokers let a code be claimed."""

_GRACE = timedelta(seconds=30)
"""A code that was claimed at the last moment is asked about once more after it."""

_AGAIN = "run: agentkeys login --pair"
_TICKET = re.compile(r"[A-Za-z0-9_-]{1,128}")
_CODE = re.compile(r"[A-Za-z0-9_-]{8,64}")


@dataclass(frozen=True, slots=True)
class Pairing:
    """A request that its owner has yet to claim."""

    code: str
    """To show: whoever has it can adopt the machine."""
    ticket: Secret
    """As secret as the session that it yields."""
    lifetime: timedelta


async def known_device(broker: BrokerClient, device: DeviceProof) -> Secret | None:
    """The session of a device that is bound already; None for one that has to be paired.

    Raises BrokerUnreachable.
    """
    try:
        return await broker.resolve_device(device)
    except (BrokerRefused, LoginRequired):
        # Not bound, or no longer: a claim is how its owner would change that.
        return None


async def request_pairing(broker: BrokerClient, device: DeviceProof) -> Pairing:
    """Has the broker make a code; an earlier one of this device ends with it.

    Raises LoginFailed, BrokerRefused, BrokerUnreachable.
    """
    answer = await broker.find(
        "POST", "/v1/agent/pairing/request", body=device_fields(device), refusals=_REQUESTING
    )
    if answer is None:
        raise LoginFailed(
            f"the broker at {broker.url} does not pair machines",
            hint="log in another way, or ask its operator for a broker of June 2026 or later",
        )
    ticket, code, expires = (
        answer.get(name) for name in ("request_id", "pairing_code", "expires_at")
    )
    if not isinstance(ticket, str) or not _TICKET.fullmatch(ticket):
        raise LoginFailed("the broker began no pairing", hint="check the identity's url")
    if not isinstance(code, str) or not _CODE.fullmatch(code):
        raise LoginFailed("the broker gave no pairing code", hint="check the identity's url")
    return Pairing(code, Secret(ticket), _lifetime(expires, broker.now()))


async def await_claim(
    broker: BrokerClient,
    device: DeviceProof,
    pairing: Pairing,
    *,
    clock: Clock,
    sleep: Sleep = asyncio.sleep,
) -> Secret:
    """The session JWT, once the owner has claimed the code; to be kept before anything else.

    A broker that is away for a moment does not end the wait, since it may not have handed anything
    over yet. Raises LoginFailed, BrokerRefused.
    """
    lost = False
    deadline = clock.monotonic() + (pairing.lifetime + _GRACE).total_seconds()
    body = {"request_id": pairing.ticket.reveal(), **device_fields(device)}
    while clock.monotonic() < deadline:
        pause = POLL_SECONDS
        try:
            answer = await broker.call(
                "POST", "/v1/agent/pairing/poll", body=body, refusals=_LOST if lost else _POLLING
            )
        except BrokerUnreachable as problem:
            lost, pause = True, max(pause, problem.retry_after or 0)
        except BrokerRefused as problem:
            if problem.retry_after is None:
                raise
            pause = max(pause, problem.retry_after)
        else:
            if answer.get("status") == "claimed":
                return _claimed(answer, broker.url)
            if answer.get("status") != "pending":
                sent = [pairing.ticket.reveal(), device.signature.reveal()]
                words = quotable(answer.get("status"), secrets=sent)
                words = words or "the broker does not say why"
                raise LoginFailed(f"the pairing failed: {words}", hint=_AGAIN)
            lost = False
        await sleep(pause)
    raise LoginFailed("nobody claimed the code in time", hint=_AGAIN)


_REQUESTING: Refusals = {
    401: Refusal(LoginFailed, "check the device key", "the broker does not take this device's key"),
}
_POLLING: Refusals = {
    401: Refusal(LoginFailed, _AGAIN, "the code has expired, or another pairing has replaced it"),
}
_LOST: Refusals = {
    401: Refusal(
        LoginFailed,
        f"the broker hands a session over once; pair again, {_AGAIN}",
        "the answer to this pairing was lost on its way",
    ),
}


def _lifetime(expires: object, now: datetime) -> timedelta:
    """What is left by the broker's clock; never more than brokers give."""
    if isinstance(expires, bool) or not isinstance(expires, int):
        raise LoginFailed("the broker gave the code no lifetime", hint="check the identity's url")
    try:
        left = datetime.fromtimestamp(expires, UTC) - now
    except (OverflowError, OSError, ValueError):
        left = LONGEST
    if left <= timedelta(0):
        raise LoginFailed("the broker gave a code that is over already", hint="check both clocks")
    return min(left, LONGEST)


def _claimed(answer: dict[str, object], url: str) -> Secret:
    jwt = session_jwt(answer)
    if parse_broker_session(jwt, url=url).omni != answer.get("child_omni"):
        raise LoginFailed("the broker gave the session of another agent", hint=_AGAIN)
    return jwt
