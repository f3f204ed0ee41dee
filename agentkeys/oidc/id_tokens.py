"""Verifies the ID token of a login: OpenID Connect Core, section 3.1.3.7."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from agentkeys.errors import LoginFailed
from agentkeys.jwts import ALGORITHMS
from agentkeys.oidc.issuer import Issuer
from agentkeys.oidc.tokens import OidcTokens
from agentkeys.quoting import quotable

if TYPE_CHECKING:
    from joserfc.jwk import ECKey, KeySet, RSAKey

__all__ = ["verify_id_token"]

LEEWAY = 60
"""Seconds."""


def verify_id_token(
    tokens: OidcTokens,
    keys: Mapping[str, Any],
    *,
    issuer: Issuer,
    client_id: str,
    nonce: str | None,
    now: datetime,
) -> None:
    """Checks signature, issuer, audience, party, times, nonce and the access token's hash.

    `keys` is the issuer's key set, `now` its time. Raises LoginFailed.
    """
    from authlib.oidc.core import CodeIDToken  # noqa: PLC0415
    from joserfc import jws, jwt  # noqa: PLC0415
    from joserfc.errors import JoseError  # noqa: PLC0415

    if tokens.id_token is None:
        raise LoginFailed(
            "the issuer logged somebody in without an ID token",
            hint='add "openid" to scopes, and allow it for the client at the issuer',
        )
    algorithms = ALGORITHMS & (issuer.id_token_algorithms or {"RS256"})
    try:
        token = jwt.decode(
            tokens.id_token.reveal(),
            _signing_keys(keys),
            registry=jws.JWSRegistry(algorithms=sorted(algorithms), strict_check_header=False),
        )
        CodeIDToken(
            token.claims,
            token.header,
            {
                "iss": {"essential": True, "value": issuer.url},
                "aud": {"essential": True, "value": client_id},
            },
            {
                "nonce": nonce,
                "client_id": client_id,
                "access_token": tokens.access_token and tokens.access_token.reveal(),
            },
        ).validate(now=int(now.timestamp()), leeway=LEEWAY)
    except JoseError as problem:
        # Without the cause, which may quote the token.
        raise _refused(quotable(problem.description) or problem.error) from None
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise _refused("it is malformed") from None


def _signing_keys(keys: Mapping[str, Any]) -> KeySet:
    """Those that may have signed: keys of other kinds, or broken ones, cost us no good one."""
    from joserfc.jwk import KeySet  # noqa: PLC0415

    listed = keys.get("keys")
    found = (_signing_key(key) for key in (listed if isinstance(listed, list) else []))
    return KeySet([key for key in found if key is not None])


def _signing_key(key: object) -> ECKey | RSAKey | None:
    from joserfc.errors import JoseError  # noqa: PLC0415
    from joserfc.jwk import ECKey, RSAKey  # noqa: PLC0415

    if not isinstance(key, dict) or key.get("use") == "enc":
        return None
    try:
        if key.get("kty") == "EC":
            return ECKey.import_key(key)
        return RSAKey.import_key(key) if key.get("kty") == "RSA" else None
    except (JoseError, ValueError, TypeError, KeyError, AttributeError):
        return None


def _refused(why: str) -> LoginFailed:
    return LoginFailed(
        f"the issuer's ID token cannot be trusted ({why})",
        hint="try again; if it stays, ask whoever runs the issuer, and check this machine's clock",
    )
