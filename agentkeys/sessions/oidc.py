"""A person's login at an OpenID Connect issuer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from agentkeys.clock import format_utc, parse_utc
from agentkeys.errors import LoginFailed
from agentkeys.secret import Secret
from agentkeys.sessions.session import EXPIRY_MARGIN

__all__ = ["OidcSession"]


@dataclass(frozen=True, slots=True)
class OidcSession:
    """Holds a refresh token or, where the issuer gives none, the one token that was had."""

    issuer: str
    client_id: str
    sub: str
    refresh_token: Secret | None
    """Good for one use where the issuer rotates them."""
    token: Secret | None
    """The web identity token of the login."""
    expires_at: datetime | None
    """When nothing more can be had with it; None where the issuer does not say."""

    kind = "oidc"
    wallet = None
    omni = None
    fingerprint = None

    @property
    def url(self) -> str:
        return self.issuer

    @property
    def subject(self) -> str:
        return self.sub

    @property
    def owner(self) -> str:
        return f"{self.issuer} {self.sub}"

    def is_over(self, now: datetime) -> bool:
        return self.expires_at is not None and now + EXPIRY_MARGIN >= self.expires_at

    def to_document(self) -> dict[str, Any]:
        return {
            "issuer": self.issuer,
            "client_id": self.client_id,
            "sub": self.sub,
            "refresh_token": self.refresh_token and self.refresh_token.reveal(),
            "token": self.token and self.token.reveal(),
            "expires_at": self.expires_at and format_utc(self.expires_at),
        }

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> OidcSession:
        """Raises LoginFailed for what is none."""
        try:
            ends = _text(document, "expires_at")
            session = cls(
                issuer=str(document["issuer"]),
                client_id=str(document["client_id"]),
                sub=str(document["sub"]),
                refresh_token=_secret(document, "refresh_token"),
                token=_secret(document, "token"),
                expires_at=parse_utc(ends) if ends else None,
            )
        except (KeyError, TypeError, ValueError):
            raise LoginFailed("that is no login at an issuer", hint="log in again") from None
        if not session.sub.isprintable():
            raise LoginFailed("the login is of nobody that could be named", hint="log in again")
        if not (session.refresh_token or session.token):
            raise LoginFailed("the issuer gave no token to go on with", hint="log in again")
        return session


def _text(document: Mapping[str, Any], name: str) -> str | None:
    value = document.get(name)
    if value is not None and not isinstance(value, str):
        raise TypeError
    return value or None


def _secret(document: Mapping[str, Any], name: str) -> Secret | None:
    value = _text(document, name)
    return Secret(value) if value else None
