"""What a token endpoint gives, and which of it a store is shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from agentkeys.errors import IssuerInvalid, IssuerRefused, TokenInvalid, WrongIdentity
from agentkeys.jwts import parse_web_identity_token
from agentkeys.models import WebIdentityToken
from agentkeys.quoting import quotable
from agentkeys.secret import Secret

__all__ = ["OidcTokens", "chosen_token", "parse_tokens"]

LONGEST = timedelta(days=3650)


@dataclass(frozen=True, slots=True)
class OidcTokens:
    """One answer of a token endpoint."""

    id_token: Secret | None
    access_token: Secret | None
    refresh_token: Secret | None
    refresh_expires_in: timedelta | None
    """How long the refresh token lives, where the issuer says so, as Keycloak does."""


def parse_tokens(document: Mapping[str, Any], *, issuer: str) -> OidcTokens:
    """Raises IssuerInvalid when there is no token in it."""
    tokens = OidcTokens(
        id_token=_secret(document, "id_token"),
        access_token=_secret(document, "access_token"),
        refresh_token=_secret(document, "refresh_token"),
        refresh_expires_in=_lifetime(document.get("refresh_expires_in")),
    )
    if not (tokens.id_token or tokens.access_token):
        raise IssuerInvalid(
            f"the issuer {issuer} answered without a token", hint="check that issuer is right"
        )
    return tokens


def chosen_token(tokens: OidcTokens, which: str, *, issuer: str, now: datetime) -> WebIdentityToken:
    """The `id` or the `access` token, for a store to verify; only its issuer is checked.

    Raises IssuerRefused when the issuer gave none, TokenInvalid, WrongIdentity.
    """
    token = _access_token(tokens) if which == "access" else _id_token(tokens)
    chosen = parse_web_identity_token(token, now=now)
    if chosen.issuer != issuer:
        raise WrongIdentity(
            f"the token of {issuer} names another issuer: {quotable(chosen.issuer)}",
            hint="ask whoever runs the issuer to have its tokens name it as its discovery does",
        )
    return chosen


def _id_token(tokens: OidcTokens) -> Secret:
    if tokens.id_token is None:
        raise IssuerRefused(
            "the issuer gave no ID token",
            hint='add "openid" to scopes, or set token = "access" if those are JWTs',
        )
    return tokens.id_token


def _access_token(tokens: OidcTokens) -> Secret:
    if tokens.access_token is None:
        raise IssuerRefused("the issuer gave no access token", hint='set token = "id"')
    if tokens.access_token.reveal().count(".") != 2:
        raise TokenInvalid(
            "the issuer's access token is not a JWT, and no store could verify it",
            hint='set audience or resource to one that the issuer gives JWTs for, or token = "id"',
        )
    return tokens.access_token


def _secret(document: Mapping[str, Any], name: str) -> Secret | None:
    value = document.get(name)
    return Secret(value) if isinstance(value, str) and value else None


def _lifetime(seconds: object) -> timedelta | None:
    # Keycloak says 0 of offline tokens, which have no end.
    if isinstance(seconds, bool) or not isinstance(seconds, int) or seconds <= 0:
        return None
    return min(timedelta(seconds=min(seconds, 10**9)), LONGEST)
