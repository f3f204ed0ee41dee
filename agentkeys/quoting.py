"""Other people's words in our messages: one line, bounded, without the secrets they repeat."""

from __future__ import annotations

import re
from collections.abc import Iterable

__all__ = ["quotable"]

MOST = 200
_JWT_LIKE = re.compile(r"eyJ[A-Za-z0-9_-]{8}")


def quotable(words: object, *, secrets: Iterable[str] = ()) -> str:
    """`words` as one line of at most 200 characters; empty when they are no text.

    Empty as well when they hold a JWT or any of `secrets`, white space aside.
    """
    if not isinstance(words, str):
        return ""
    packed = _pack(words)
    if _JWT_LIKE.search(packed) or any(_pack(secret) in packed for secret in secrets if secret):
        return ""
    line = "".join(char if char.isprintable() else " " for char in words)
    return " ".join(line.split())[:MOST]


def _pack(text: str) -> str:
    return "".join(text.split())
