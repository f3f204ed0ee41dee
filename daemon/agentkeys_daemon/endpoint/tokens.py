"""The token that opens the endpoint for one run, and for nobody else."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Iterable

from agentkeys.secret import Secret

__all__ = ["matches", "new_token", "owner_of", "token_hash"]

TOKEN_BYTES = 32


def new_token() -> Secret:
    """A token of 256 bits, 43 characters of base64url."""
    return Secret(secrets.token_urlsafe(TOKEN_BYTES))


def token_hash(token: str) -> str:
    """Lower-case hex SHA-256: what is kept and written down in the token's stead."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def matches(token: str, expected: str | None) -> bool:
    """Whether `expected` is the hash of `token`; takes as long where there is none to compare."""
    found = token_hash(token)
    compared = _NOBODYS if expected is None else expected
    return _are_equal(found, compared) and expected is not None


def owner_of(token: str, hashes: Iterable[tuple[str, str]]) -> str | None:
    """Whose hash is that of `token`, of all those in pairs of owner and hash; None if nobody's.

    Takes as long whichever it is: every one of them is compared.
    """
    found, owner = token_hash(token), None
    for name, expected in hashes:
        if _are_equal(found, expected):
            owner = name
    return owner


def _are_equal(found: str, expected: str) -> bool:
    # As bytes: what stands in a file may be no ASCII.
    return hmac.compare_digest(found.encode(), expected.encode("utf-8", "surrogatepass"))


_NOBODYS = token_hash("")
