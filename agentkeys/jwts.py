"""Reads JWTs that somebody else will verify.

The store verifies a web identity token's signature against the issuer's published keys; the broker
verifies its sessions, whose key is not published. Here both are only read, and refused where no
store could take them: three segments, an asymmetric algorithm, bounded size, an expiry.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from agentkeys.errors import TokenInvalid
from agentkeys.models import WebIdentityToken
from agentkeys.secret import Secret

__all__ = ["parse_claims", "parse_expiry", "parse_web_identity_token"]

MAX_TOKEN_CHARACTERS = 20_000
"""The longest WebIdentityToken that STS takes."""

ALGORITHMS = frozenset({"RS256", "RS384", "RS512", "ES256", "ES384", "ES512"})

_ASK = "ask whoever runs the issuer to look at its tokens"
_COMPACT = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")


def parse_claims(token: Secret, *, what: str) -> Mapping[str, Any]:
    """The payload of a compact JWT; `what` names it in the TokenInvalid that is raised."""
    return _parse(token, what)[1]


def _parse(token: Secret, what: str) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """Header and payload."""
    # Decoding JWTs costs ten megabytes of cryptography; a daemon that only serves needs none of it.
    import jwt  # noqa: PLC0415

    if len(token.reveal()) > MAX_TOKEN_CHARACTERS:
        raise _invalid(what, f"is longer than {MAX_TOKEN_CHARACTERS} characters")
    if not _COMPACT.fullmatch(token.reveal()):
        raise _invalid(what, "is not a JWT of three segments")
    try:
        header = jwt.get_unverified_header(token.reveal())
        claims = jwt.decode(token.reveal(), options={"verify_signature": False})
    except (jwt.PyJWTError, ValueError, RecursionError):
        # The cause quotes parts of the token, so it must not be chained.
        raise _invalid(what, "is not a JWT") from None
    algorithm = header.get("alg")
    if algorithm not in ALGORITHMS:
        shown = (
            algorithm if isinstance(algorithm, str) and algorithm.isalnum() else "an unknown way"
        )
        raise _invalid(
            what,
            f"is signed with {shown[:20]}, which proves nothing to a store",
            hint="have the issuer sign with RS256 or ES256, which every store takes",
        )
    return dict(header), dict(claims)


def parse_expiry(claims: Mapping[str, Any], *, what: str) -> datetime:
    """The `exp` claim as a time; raises TokenInvalid."""
    value = claims.get("exp")
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _invalid(what, "has no expiry")
    try:
        return datetime.fromtimestamp(value, UTC)
    except (OverflowError, OSError, ValueError):
        raise _invalid(what, "has an impossible expiry") from None


def parse_web_identity_token(token: Secret, *, now: datetime) -> WebIdentityToken:
    """A token that a store may be shown; raises TokenInvalid, for an expired one too."""
    what = "the web identity token"
    header, claims = _parse(token, what)
    expires_at = parse_expiry(claims, what=what)
    if expires_at <= now:
        raise TokenInvalid(
            "the web identity token has already expired",
            hint="check this machine's clock against the issuer's",
        )
    return WebIdentityToken(
        jwt=token,
        claims=claims,
        issuer=_issuer(claims, what),
        subject=_text(claims, "sub", what),
        audiences=_audiences(claims, what),
        expires_at=expires_at,
        algorithm=header["alg"],
        # One that is no text is none: stores compare it with the names of keys.
        key_id=key_id if isinstance(key_id := header.get("kid"), str) else None,
    )


def _audiences(claims: Mapping[str, Any], what: str) -> tuple[str, ...]:
    value = claims.get("aud")
    listed = value if isinstance(value, list) else [value]
    audiences = tuple(each for each in listed if isinstance(each, str) and each)
    if not audiences or len(audiences) != len(listed):
        raise _invalid(what, "has no audience")
    if not all(map(str.isprintable, audiences)):
        raise _invalid(what, "has an audience with characters that do not print")
    return audiences


def _text(claims: Mapping[str, Any], name: str, what: str) -> str:
    value = claims.get(name)
    if not isinstance(value, str) or not value:
        raise _invalid(what, f"has no {name!r} claim")
    if not value.isprintable():
        # People are shown it, on terminals that may obey it.
        raise _invalid(what, f"has a {name!r} claim with characters that do not print")
    return value


def _issuer(claims: Mapping[str, Any], what: str) -> str:
    value = _text(claims, "iss", what)
    if " " in value:
        # No URL has one. With it, an issuer and a subject could be read as two others.
        raise _invalid(what, "has an 'iss' claim with a space in it")
    return value


def _invalid(what: str, problem: str, *, hint: str = _ASK) -> TokenInvalid:
    return TokenInvalid(f"{what} {problem}", hint=hint)
