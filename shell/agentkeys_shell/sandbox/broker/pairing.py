"""Agent pairing: a device asks and shows a code, its owner claims it, the device gets a session."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from datetime import timedelta

from agentkeys.clock import Clock
from agentkeys.login.device_key import device_key_hash
from agentkeys_shell.sandbox.broker.agents import Agent, Agents
from agentkeys_shell.sandbox.broker.devices import check_device, parse_device
from agentkeys_shell.sandbox.broker.expiring import Expiring
from agentkeys_shell.sandbox.broker.sessions import Sessions
from agentkeys_shell.sandbox.broker.web import Refused, Request, Response, Route, json_answer

__all__ = ["Pairing"]

_LIFETIME = timedelta(seconds=600)
"""To claim a code, and then to fetch the session."""
_LABEL = re.compile(r"[a-z0-9-]{1,32}")


@dataclass(frozen=True, slots=True)
class _Open:
    """A request that nobody has claimed yet."""

    ticket: str
    code: str
    device: str


class Pairing:
    """Tickets and codes, each of them good once."""

    def __init__(self, *, sessions: Sessions, agents: Agents, clock: Clock) -> None:
        self._sessions = sessions
        self._agents = agents
        self._clock = clock
        self._open: Expiring[_Open] = Expiring(lifetime=_LIFETIME, clock=clock)
        self._by_code: Expiring[_Open] = Expiring(lifetime=_LIFETIME, clock=clock)
        self._by_device: Expiring[_Open] = Expiring(lifetime=_LIFETIME, clock=clock)
        self._claimed: Expiring[Agent] = Expiring(lifetime=_LIFETIME, clock=clock)

    def routes(self) -> tuple[Route, ...]:
        return (
            Route("POST", "/v1/agent/pairing/request", self.request, reads_json=True),
            Route("POST", "/v1/agent/pairing/poll", self.poll, reads_json=True),
            Route("POST", "/v1/agent/pairing/claim", self.claim, reads_json=True),
            Route("POST", "/v1/agent/resolve", self.resolve, reads_json=True),
            # What an owner does on chain has no place in the contract; these are our own.
            Route("POST", "/dev/agent/register", self.register, reads_json=True),
            Route("POST", "/dev/agent/revoke", self.revoke, reads_json=True),
        )

    def request(self, request: Request) -> Response:
        device = check_device(request.fields)
        if former := self._by_device.take(device):
            self._forget(former)
        opened = _Open(secrets.token_urlsafe(32), _new_code(), device)
        self._open.put(opened.ticket, opened)
        self._by_code.put(opened.code, opened)
        self._by_device.put(device, opened)
        return json_answer(
            {
                "request_id": opened.ticket,
                "pairing_code": opened.code,
                "device_key_hash": device_key_hash(device),
                "expires_at": int((self._clock.now() + _LIFETIME).timestamp()),
            }
        )

    def poll(self, request: Request) -> Response:
        ticket = request.fields.text("request_id")
        device = check_device(request.fields)
        opened, agent = self._open.get(ticket), self._claimed.get(ticket)
        if opened and opened.device == device:
            return json_answer({"status": "pending"})
        if agent is None or agent.device != device:
            raise Refused("unauthorized", "this ticket is unknown, expired, used or another's")
        # Delivered once: whoever loses it pairs again.
        self._claimed.take(ticket)
        return json_answer(
            {
                "status": "claimed",
                "session_jwt": self._sessions.issue_to(agent).jwt.reveal(),
                "operator_omni": agent.parent_omni,
                **_about(agent),
                "agent_url": None,
                "sandbox": None,
            }
        )

    def claim(self, request: Request) -> Response:
        owner = self._owner(request)
        code, label = request.fields.text("pairing_code"), request.fields.text("label")
        if not _LABEL.fullmatch(label):
            raise Refused("bad_request", "label must be 1 to 32 of a-z, 0-9 and -")
        opened = self._by_code.get(code)
        if opened is None:
            raise Refused("unauthorized", "this code is unknown, expired, used or replaced")
        self._forget(opened)
        agent = Agent(opened.device, owner, label)
        self._agents.bind(agent)
        self._claimed.put(opened.ticket, agent)
        return json_answer({"operator_omni": owner, **_about(agent)})

    def resolve(self, request: Request) -> Response:
        agent = self._agents.active(check_device(request.fields))
        return json_answer(
            {
                "session_jwt": self._sessions.issue_to(agent).jwt.reveal(),
                "operator_omni": agent.parent_omni,
                "actor_omni": agent.omni,
                "agent_url": None,
                "sandbox": None,
            }
        )

    def register(self, request: Request) -> Response:
        self._agents.register(parse_device(request.fields), owner=self._owner(request))
        return json_answer({"registered": True})

    def revoke(self, request: Request) -> Response:
        self._agents.revoke(parse_device(request.fields), owner=self._owner(request))
        return json_answer({"revoked": True})

    def _owner(self, request: Request) -> str:
        session = self._sessions.check(request.bearer())
        if session.agent is not None:
            raise Refused("forbidden", "an agent owns no agents")
        return session.omni

    def _forget(self, opened: _Open) -> None:
        for entries, key in (
            (self._open, opened.ticket),
            (self._by_code, opened.code),
            (self._by_device, opened.device),
        ):
            entries.take(key)


def _new_code() -> str:
    """24 characters of which the first is no hyphen: people pass it to commands."""
    while (code := secrets.token_urlsafe(18)).startswith("-"):
        pass
    return code


def _about(agent: Agent) -> dict[str, object]:
    return {
        "child_omni": agent.omni,
        "label": agent.label,
        "derivation_path": agent.path,
        "device_key_hash": device_key_hash(agent.device),
    }
