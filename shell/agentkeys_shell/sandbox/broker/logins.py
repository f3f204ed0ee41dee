"""Logins that finish elsewhere: started here, confirmed in a browser, asked about until then."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from agentkeys.clock import Clock
from agentkeys_shell.sandbox.broker.expiring import Expiring
from agentkeys_shell.sandbox.broker.sessions import IssuedSession
from agentkeys_shell.sandbox.broker.web import Refused, Response, json_answer

__all__ = ["LINK_LIFETIME", "Failed", "Pending", "PendingLogins", "Verified"]

LINK_LIFETIME = timedelta(seconds=600)
# A request outlives its link by far: nobody ever tells the client that the link has expired.
_REQUEST_LIFETIME = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Pending:
    """Nobody has confirmed it yet, and perhaps nobody ever will."""

    def answer(self) -> dict[str, object]:
        return {"status": "pending"}


@dataclass(frozen=True, slots=True)
class Verified:
    """Confirmed; `extra` is what some logins tell beyond the session."""

    issued: IssuedSession
    extra: Mapping[str, str] = field(default_factory=dict)

    def answer(self) -> dict[str, object]:
        return {"status": "verified", **self.issued.answer(), **self.extra}


@dataclass(frozen=True, slots=True)
class Failed:
    """The user said no, or the provider did."""

    reason: str

    def answer(self) -> dict[str, object]:
        return {"status": "failed", "reason": self.reason}


class PendingLogins:
    """What became of each login request. The request id is as secret as the session it yields."""

    def __init__(self, clock: Clock) -> None:
        self._outcomes: Expiring[Pending | Verified | Failed] = Expiring(
            lifetime=_REQUEST_LIFETIME, clock=clock
        )

    def open(self, request_id: str) -> None:
        self._outcomes.put(request_id, Pending())

    def settle(self, request_id: str, outcome: Verified | Failed) -> None:
        """The first outcome stays."""
        if isinstance(self._outcomes.get(request_id), Pending):
            self._outcomes.replace(request_id, outcome)

    def status(self, request_id: str) -> Response:
        """May be read again and again; Refused (`bad_request`) for an id that is not ours."""
        outcome = self._outcomes.get(request_id)
        if outcome is None:
            raise Refused("bad_request", "no such login request")
        return json_answer(outcome.answer())
