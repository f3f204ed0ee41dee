"""Which identities an account has claimed as its own, beside the one it logs in with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from agentkeys.clock import Clock
from agentkeys_shell.sandbox.broker.identity import EMAIL, EVM, Identity
from agentkeys_shell.sandbox.broker.sessions import Sessions
from agentkeys_shell.sandbox.broker.web import (
    Fields,
    Refused,
    Request,
    Response,
    Route,
    json_answer,
)

__all__ = ["WalletLinks"]

_CASELESS = (EVM, EMAIL)


@dataclass(frozen=True, slots=True)
class _Link:
    omni: str
    identity: Identity
    linked_at: int

    def answer(self) -> Mapping[str, object]:
        return {
            "omni_account": self.omni,
            "identity_type": self.identity.kind,
            "identity_value": self.identity.value,
            "linked_at": self.linked_at,
        }


class WalletLinks:
    """Links, until the process ends. An identity belongs to the first account that claims it."""

    def __init__(self, *, sessions: Sessions, clock: Clock) -> None:
        self._sessions = sessions
        self._clock = clock
        self._links: dict[Identity, _Link] = {}

    def routes(self) -> tuple[Route, ...]:
        return (
            Route("POST", "/v1/wallet/link", self.link, reads_json=True),
            Route("GET", "/v1/wallet/links", self.list_own),
            Route("POST", "/v1/wallet/recover/lookup", self.look_up, reads_json=True),
        )

    def link(self, request: Request) -> Response:
        omni = self._sessions.check(request.bearer()).omni
        identity = _identity(request.fields)
        now = int(self._clock.now().timestamp())
        link = self._links.setdefault(identity, _Link(omni, identity, now))
        if link.omni != omni:
            raise Refused("unauthorized", "this identity belongs to another account")
        return json_answer({"linked": True, **link.answer()})

    def list_own(self, request: Request) -> Response:
        omni = self._sessions.check(request.bearer()).omni
        own = [link.answer() for link in self._links.values() if link.omni == omni]
        return json_answer({"owner": omni, "links": own})

    def look_up(self, request: Request) -> Response:
        link = self._links.get(_identity(request.fields))
        if link is None:
            return json_answer({"linked": False, "next_step": "log in and link this identity"})
        return json_answer(
            {
                "linked": True,
                "omni_account": link.omni,
                "next_step": "log in with this identity to reach the account",
            }
        )


def _identity(fields: Fields) -> Identity:
    kind, value = fields.text("identity_type").strip(), fields.text("identity_value").strip()
    if not kind or not value:
        raise Refused("bad_request", "identity_type and identity_value must not be empty")
    return Identity(kind, value.lower() if kind in _CASELESS else value)
