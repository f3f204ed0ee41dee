"""Tokens that are found ready-made, so that only they tell whom they name."""

from __future__ import annotations

from datetime import UTC, datetime

from agentkeys.clock import format_utc
from agentkeys.errors import TokenInvalid
from agentkeys.jwts import parse_web_identity_token
from agentkeys.models import WebIdentityToken
from agentkeys.secret import Secret

__all__ = ["check_alive", "owner_of", "parse_found_token"]

_LONG_AGO = datetime(1, 1, 1, tzinfo=UTC)


def parse_found_token(text: str, *, where: str) -> WebIdentityToken:
    """A token as it was found, white space around it aside, be it expired or not.

    `where` is named in the TokenInvalid that is raised.
    """
    jwt = Secret(text.strip())
    if not jwt:
        raise TokenInvalid(f"{where} is empty", hint="see whether what writes it is at work")
    try:
        # An expired one still says whom it names.
        return parse_web_identity_token(jwt, now=_LONG_AGO)
    except TokenInvalid as problem:
        raise TokenInvalid(
            f"{where} holds no token for a store: {problem.message}",
            hint="it must be a JWT and nothing else; look at what writes it",
        ) from None


def check_alive(token: WebIdentityToken, *, now: datetime, where: str, hint: str) -> None:
    """Raises TokenInvalid, with `hint`, for a token that has expired."""
    if token.expires_at <= now:
        raise TokenInvalid(
            f"the web identity token from {where} has expired, at {format_utc(token.expires_at)}",
            hint=hint,
        )


def owner_of(token: WebIdentityToken) -> str:
    """What sets whom it names apart from anybody else."""
    return f"{token.issuer} {token.subject}"
