"""Verifies the ID token of a login: OpenID Connect Core, section 3.1.3.7."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from agentkeys.errors import LoginFailed
from agentkeys.jwts import ALGORITHMS
from agentkeys.oidc.issuer import Issuer
from agentkeys.oidc.tokens import OidcTokens
from agentkeys.quoting import quotable

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
    from joserfc.jwk import KeySet  # noqa: PLC0415

    if tokens.id_token is None:
        raise LoginFailed(
            "the issuer logged somebody in without an ID token",
            hint='add "openid" to scopes, and allow it for the client at the issuer',
        )
    algorithms = ALGORITHMS & (issuer.id_token_algorithms or {"RS256"})
    try:
        token = jwt.decode(
            tokens.id_token.reveal(),
            KeySet.import_key_set({"keys": _signing_keys(keys)}),
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
        raise _refused(quotable(f"{problem.error}: {problem.description}")) from None
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise _refused("it is malformed") from None


def _signing_keys(keys: Mapping[str, Any]) -> list[Any]:
    """Only those of kinds that sign: others, or broken ones, must not cost us the good ones."""
    listed = keys.get("keys")
    return [
        key
        for key in (listed if isinstance(listed, list) else [])
        if isinstance(key, dict) and key.get("kty") in ("RSA", "EC") and key.get("use") != "enc"
    ]


def _refused(why: str) -> LoginFailed:
    return LoginFailed(
        f"the issuer's ID token cannot be trusted ({why})",
        hint="try again; if it stays, ask whoever runs the issuer, and check this machine's clock",
    )
