"""Web identity tokens: JWTs that a store's STS can check, with the tags that confine their user."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from agentkeys.claims import OMNI_CLAIM, WALLET_CLAIM
from agentkeys.clock import Clock
from agentkeys.secret import Secret
from agentkeys_shell.sandbox.broker.keys import SigningKey
from agentkeys_shell.sandbox.broker.sessions import Session

__all__ = ["MintedToken", "OidcTokens"]

_TAGS = "https://aws.amazon.com/tags"
_CLAIMS_SUPPORTED = ("iss", "sub", "aud", "iat", "exp", WALLET_CLAIM, OMNI_CLAIM, _TAGS)


@dataclass(frozen=True, slots=True)
class MintedToken:
    """A token and when it, not any credential made from it, expires (Unix seconds)."""

    jwt: Secret
    expires_at: int


class OidcTokens:
    """Mints tokens and publishes what is needed to check them."""

    def __init__(self, *, issuer: str, audience: str, lifetime: timedelta, clock: Clock) -> None:
        self._issuer = issuer
        self._audience = audience
        self._clock = clock
        self._key = SigningKey(f"v1-{int(clock.now().timestamp())}")
        self.lifetime = lifetime

    @property
    def kid(self) -> str:
        return self._key.kid

    def mint(self, session: Session) -> MintedToken:
        """A token for the session's user, whose wallet is the omni where the session has none."""
        issued = int(self._clock.now().timestamp())
        expires = issued + int(self.lifetime.total_seconds())
        claims = {
            "iss": self._issuer,
            "sub": f"agentkeys:agent:{session.user}",
            "aud": self._audience,
            "iat": issued,
            "exp": expires,
            **_confinement({WALLET_CLAIM: session.user, OMNI_CLAIM: session.omni}),
        }
        return MintedToken(self._key.sign(claims), expires)

    def discovery(self) -> dict[str, Any]:
        """The document at `/.well-known/openid-configuration`."""
        return {
            "issuer": self._issuer,
            "jwks_uri": f"{self._issuer}/.well-known/jwks.json",
            "response_types_supported": ["id_token"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["ES256"],
            "scopes_supported": ["openid"],
            "token_endpoint_auth_methods_supported": ["none"],
            "claims_supported": list(_CLAIMS_SUPPORTED),
        }

    def key_set(self) -> dict[str, Any]:
        """The document at `/.well-known/jwks.json`."""
        return {"keys": [self._key.public_jwk()]}


def _confinement(tags: dict[str, str]) -> dict[str, Any]:
    """The same tags as AWS reads them and, for stores that read claims, bare."""
    principal = {key: [value] for key, value in tags.items()}
    return {**tags, _TAGS: {"principal_tags": principal, "transitive_tag_keys": list(tags)}}
