"""Broker sessions: JWTs that only the broker can check, and everything it knows about a caller."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import jwt

from agentkeys.clock import Clock
from agentkeys.secret import Secret
from agentkeys_shell.sandbox.broker.agents import Agent
from agentkeys_shell.sandbox.broker.identity import AGENT, Identity
from agentkeys_shell.sandbox.broker.keys import SigningKey
from agentkeys_shell.sandbox.broker.web import Refused

__all__ = ["IssuedSession", "Session", "Sessions"]

_AUDIENCE = "agentkeys:broker"
# The library of the real brokers tolerates this much; clients must not rely on it.
DEFAULT_LEEWAY = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class Session:
    """Who a bearer stands for."""

    identity: Identity
    wallet: str
    """A lower-case address, or nothing for e-mail, OAuth2 and agent sessions."""
    agent: Agent | None = None
    """Where a device is what the session is of."""

    @property
    def omni(self) -> str:
        return self.agent.omni if self.agent else self.identity.omni

    @property
    def user(self) -> str:
        """What storage is confined by: the wallet, or the omni where there is none."""
        return self.wallet or self.omni


@dataclass(frozen=True, slots=True)
class IssuedSession:
    """A new session, as the logins answer it."""

    session: Session
    jwt: Secret
    kid: str
    expires_at: int

    def answer(self) -> dict[str, object]:
        """The four fields that every login's answer has."""
        return {
            "session_jwt": self.jwt.reveal(),
            "session_jwt_kid": self.kid,
            "expires_at": self.expires_at,
            "omni_account": self.session.omni,
        }


class Sessions:
    """Issues sessions and checks bearers. Nothing is kept: a session is good until it expires."""

    def __init__(
        self,
        *,
        issuer: str,
        lifetime: timedelta,
        clock: Clock,
        leeway: timedelta = DEFAULT_LEEWAY,
    ) -> None:
        self._issuer = issuer
        self._lifetime = lifetime
        self._leeway = leeway
        self._clock = clock
        self._key = SigningKey(f"ak-session-{int(clock.now().timestamp())}")

    def issue(self, identity: Identity, *, wallet: str = "") -> IssuedSession:
        """A session for somebody who has just shown who they are."""
        return self._issue(Session(identity, wallet))

    def issue_to(self, agent: Agent) -> IssuedSession:
        """A session for a device that its owner has let in."""
        return self._issue(Session(agent.identity, "", agent))

    def _issue(self, session: Session) -> IssuedSession:
        claims = self._claims(session)
        return IssuedSession(session, self._key.sign(claims), self._key.kid, claims["exp"])

    def check(self, bearer: Secret) -> Session:
        """Raises Refused (`unauthorized`) unless `bearer` is a session of ours and still good."""
        try:
            claims = self._key.verify(bearer, audience=_AUDIENCE, issuer=self._issuer)
        except jwt.InvalidTokenError as error:
            raise _refused(type(error).__name__) from error
        if claims["exp"] + self._leeway.total_seconds() < self._clock.now().timestamp():
            raise _refused("ExpiredSignature")
        about = claims["agentkeys"]
        identity = Identity(about["identity_type"], about["identity_value"])
        return Session(identity, about["wallet_address"], _agent(identity, about))

    def _claims(self, session: Session) -> dict[str, Any]:
        now = self._clock.now().timestamp()
        return {
            "iss": self._issuer,
            "sub": f"agentkeys:{'agent' if session.agent else 'user'}:{session.omni}",
            "aud": _AUDIENCE,
            "iat": int(now),
            "exp": int(now + self._lifetime.total_seconds()),
            "jti": f"{int(now * 1_000_000):x}-{secrets.token_hex(8)}",
            "agentkeys": {
                "omni_account": session.omni,
                "wallet_address": session.wallet,
                "identity_type": session.identity.kind,
                "identity_value": session.identity.value,
                **_lineage(session.agent),
            },
        }


def _lineage(agent: Agent | None) -> dict[str, str]:
    if agent is None:
        return {}
    return {
        "parent_omni": agent.parent_omni,
        "derivation_path": agent.path,
        "device_pubkey": agent.device,
    }


def _agent(identity: Identity, about: Mapping[str, str]) -> Agent | None:
    if identity.kind != AGENT:
        return None
    return Agent(
        about["device_pubkey"], about["parent_omni"], about["derivation_path"].removeprefix("//")
    )


def _refused(reason: str) -> Refused:
    return Refused("unauthorized", f"session jwt verify: {reason}")
