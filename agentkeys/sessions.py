"""Broker sessions: the bearer that lets its holder mint web identity tokens.

Source of the wire format: the broker's session JWT, whose claims live under `agentkeys`. Its key is
not published, so it is read and never verified here; the broker verifies it at every mint.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta

from agentkeys.errors import LoginFailed, TokenInvalid
from agentkeys.jwts import parse_claims, parse_expiry
from agentkeys.secret import Secret

__all__ = ["EXPIRY_MARGIN", "BrokerSession", "parse_broker_session"]

EXPIRY_MARGIN = timedelta(seconds=30)
"""A session counts as over this long before its `exp`, so that no mint races it."""

_OMNI = re.compile(r"(?:0x)?([0-9a-f]{64})")
_WALLET = re.compile(r"0x[0-9a-f]{40}")


@dataclass(frozen=True, slots=True)
class BrokerSession:
    """A logged-in identity, as the broker's session JWT describes it."""

    jwt: Secret
    url: str
    """The broker it was had from; it is never shown to another one."""
    issuer: str
    omni: str
    wallet: str | None
    """None for sessions by e-mail, OAuth2 or pairing, which are known by their omni alone."""
    identity_type: str | None
    expires_at: datetime

    @property
    def subject(self) -> str:
        """What names its user in tokens and prefixes: the wallet, or else the omni."""
        return self.wallet or self.omni

    @property
    def owner(self) -> str:
        """What sets its user apart from any other: tokens carry all three, stores may read any."""
        return " ".join((self.issuer, self.omni, self.wallet or ""))

    def is_over(self, now: datetime) -> bool:
        return now + EXPIRY_MARGIN >= self.expires_at


def parse_broker_session(jwt: Secret, *, url: str) -> BrokerSession:
    """Raises LoginFailed when `jwt` is no session of an agentKeys broker."""
    what = "the broker session"
    try:
        claims = parse_claims(jwt, what=what)
        expires_at = parse_expiry(claims, what=what)
    except TokenInvalid as problem:
        raise LoginFailed(problem.message, hint="log in at an agentKeys broker") from None
    details = claims.get("agentkeys")
    issuer = claims.get("iss")
    if not isinstance(details, dict) or not isinstance(issuer, str):
        raise LoginFailed(
            "the token is not an agentKeys broker session",
            hint="pass the session JWT that a login gives, not a web identity token",
        )
    wallet = _matching(_WALLET, details.get("wallet_address"), "wallet")
    omni = _matching(_OMNI, details.get("omni_account"), "omni")
    if omni is None:
        raise LoginFailed("the broker session names no omni account", hint="log in again")
    identity_type = details.get("identity_type")
    return BrokerSession(
        jwt=jwt,
        url=url,
        issuer=issuer,
        omni=omni.removeprefix("0x"),
        wallet=wallet,
        identity_type=identity_type if isinstance(identity_type, str) else None,
        expires_at=expires_at,
    )


def _matching(form: re.Pattern[str], value: object, what: str) -> str | None:
    """`value` in lower case where it has the form; None where it is absent or empty."""
    if value is None or value == "":
        return None
    lowered = value.lower() if isinstance(value, str) else ""
    if not form.fullmatch(lowered):
        raise LoginFailed(f"the broker session's {what} is malformed", hint="log in again")
    return lowered
