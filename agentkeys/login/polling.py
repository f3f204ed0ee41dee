"""Waits until a person has followed a link or finished with a provider."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from agentkeys.broker import BrokerClient
from agentkeys.clock import Clock, Sleep
from agentkeys.errors import BrokerUnreachable, LoginFailed
from agentkeys.quoting import quotable
from agentkeys.secret import Secret

__all__ = ["PendingLogin", "await_login", "parse_pending", "session_jwt"]

POLL_SECONDS = 2.0
PATIENCE = timedelta(seconds=300)
"""The longest wait for a person, even where the link itself lives longer."""

_REQUEST_ID = re.compile(r"[A-Za-z0-9_-]{1,128}")


@dataclass(frozen=True, slots=True)
class PendingLogin:
    """A login that a person has yet to finish.

    The request id is as secret as the session it yields: whoever has it can fetch that session.
    """

    method: str
    """`email` or `oauth2`, as the broker's paths call it."""
    request_id: Secret
    lifetime: timedelta
    authorization_url: str | None = None
    """Where the person has to go; None when the broker mails them the link."""


def parse_pending(method: str, answer: dict[str, Any]) -> PendingLogin:
    """Raises LoginFailed when the broker's answer starts no login."""
    request_id = answer.get("request_id")
    seconds = answer.get("expires_in_seconds")
    if not isinstance(request_id, str) or not _REQUEST_ID.fullmatch(request_id):
        raise LoginFailed("the broker began no login", hint="check the identity's url")
    if isinstance(seconds, bool) or not isinstance(seconds, int) or not 0 < seconds <= 86_400:
        raise LoginFailed("the broker gave the login no lifetime", hint="check the identity's url")
    return PendingLogin(method, Secret(request_id), timedelta(seconds=seconds))


async def await_login(
    broker: BrokerClient, pending: PendingLogin, *, clock: Clock, sleep: Sleep = asyncio.sleep
) -> Secret:
    """The session JWT, once the person has done their part.

    Ends on our own clock, since the broker answers `pending` for ever. A broker that is away for a
    moment does not end the wait. Raises LoginFailed, BrokerRefused.
    """
    deadline = clock.monotonic() + min(pending.lifetime, PATIENCE).total_seconds()
    while clock.monotonic() < deadline:
        answer = await _poll(broker, pending)
        if answer.get("status") == "verified":
            return session_jwt(answer)
        if answer.get("status") != "pending":
            raise LoginFailed(f"the login failed: {_reason(answer, pending)}", hint="try again")
        await sleep(POLL_SECONDS)
    raise LoginFailed("nobody finished the login in time", hint="run: agentkeys login")


def session_jwt(answer: dict[str, Any]) -> Secret:
    """The session in a finished login's answer; raises LoginFailed."""
    jwt = answer.get("session_jwt")
    if not isinstance(jwt, str) or not jwt:
        raise LoginFailed("the broker answered without a session", hint="try again")
    return Secret(jwt)


async def _poll(broker: BrokerClient, pending: PendingLogin) -> dict[str, Any]:
    path = f"/v1/auth/{pending.method}/status"
    try:
        return await broker.call("GET", path, ticket=pending.request_id)
    except BrokerUnreachable:
        return {"status": "pending"}


def _reason(answer: dict[str, Any], pending: PendingLogin) -> str:
    words = answer.get("reason") or answer.get("status")
    return quotable(words, secrets=[pending.request_id.reveal()]) or "the broker does not say why"
