"""The token that opens the endpoint for one run, and for nobody else."""

from __future__ import annotations

import hashlib
import hmac
import secrets

from agentkeys.secret import Secret

__all__ = ["matches", "new_token", "token_hash"]

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
    return hmac.compare_digest(found, expected or _NOBODYS) and expected is not None


_NOBODYS = token_hash("")
