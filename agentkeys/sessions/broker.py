"""Broker sessions: the bearer that lets its holder mint web identity tokens.

Source of the wire format: the broker's session JWT, whose claims live under `agentkeys`. Its key is
not published, so it is read and never verified here; the broker verifies it at every mint.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from agentkeys.errors import LoginFailed, TokenInvalid
from agentkeys.jwts import parse_claims, parse_expiry
from agentkeys.secret import Secret
from agentkeys.sessions.session import EXPIRY_MARGIN

__all__ = ["BrokerSession", "DeviceProof", "parse_broker_session"]

_OMNI = re.compile(r"(?:0x)?([0-9a-f]{64})")
_WALLET = re.compile(r"0x[0-9a-f]{40}")
_SIGNATURE = re.compile(r"(?:0x)?[0-9a-f]{130}")


@dataclass(frozen=True, slots=True)
class DeviceProof:
    """What a paired device shows the broker to get a session anew."""

    address: str
    """The device key's EVM address, lower-case."""
    signature: Secret
    """EIP-191, over what is the same for every call: as good as the key itself."""

    def to_document(self) -> dict[str, str]:
        return {"address": self.address, "signature": self.signature.reveal()}

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> DeviceProof:
        """Raises LoginFailed for what is none."""
        address, signature = document.get("address"), document.get("signature")
        if not isinstance(address, str) or not _WALLET.fullmatch(address):
            raise LoginFailed("the device's address is malformed", hint="pair it again")
        if not isinstance(signature, str) or not _SIGNATURE.fullmatch(signature):
            raise LoginFailed("the device's signature is malformed", hint="pair it again")
        return cls(address, Secret(signature))


@dataclass(frozen=True, slots=True)
class BrokerSession:
    """A logged-in identity, as the broker's session JWT describes it."""

    kind = "broker"

    jwt: Secret
    url: str
    """The broker it was had from; it is never shown to another one."""
    issuer: str
    omni: str
    wallet: str | None
    """None for sessions by e-mail, OAuth2 or pairing, which are known by their omni alone."""
    identity_type: str | None
    expires_at: datetime
    device: DeviceProof | None = field(default=None, repr=False)
    """Of a paired device, which needs no person to log in again."""

    @property
    def subject(self) -> str:
        """What names its user in tokens and prefixes: the wallet, or else the omni."""
        return self.wallet or self.omni

    @property
    def owner(self) -> str:
        """What sets its user apart from any other: tokens carry all three, stores may read any."""
        return " ".join((self.issuer, self.omni, self.wallet or ""))

    @property
    def fingerprint(self) -> str:
        """As the broker's own rows have it."""
        return self.jwt.fingerprint()

    def is_over(self, now: datetime) -> bool:
        return now + EXPIRY_MARGIN >= self.expires_at

    def to_document(self) -> dict[str, Any]:
        device = self.device and self.device.to_document()
        return {"url": self.url, "jwt": self.jwt.reveal(), "device": device}

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> BrokerSession:
        device = document.get("device")
        return parse_broker_session(
            Secret(str(document["jwt"])),
            url=str(document["url"]),
            device=DeviceProof.from_document(device) if device else None,
        )


def parse_broker_session(
    jwt: Secret, *, url: str, device: DeviceProof | None = None
) -> BrokerSession:
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
        device=device,
    )


def _matching(form: re.Pattern[str], value: object, what: str) -> str | None:
    """`value` in lower case where it has the form; None where it is absent or empty."""
    if value is None or value == "":
        return None
    lowered = value.lower() if isinstance(value, str) else ""
    if not form.fullmatch(lowered):
        raise LoginFailed(f"the broker session's {what} is malformed", hint="log in again")
    return lowered
