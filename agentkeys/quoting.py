"""Other people's words in our messages: one line, bounded, without the secrets they repeat."""

from __future__ import annotations

import base64
import html
import re
from collections.abc import Iterable, Iterator
from urllib.parse import unquote, unquote_plus

__all__ = ["quotable", "repeats"]

MOST = 200
TRACE = 12
"""So many characters of a secret in a row are too many."""
_JWT_LIKE = re.compile(r"eyJ[A-Za-z0-9_-]{8}")


def quotable(words: object, *, secrets: Iterable[str] = ()) -> str:
    """`words` as one line of at most 200 characters; empty when they are no text.

    Empty as well when they hold a JWT or any of `secrets`, white space aside: the whole of it, or
    a part of twelve characters, as it is, escaped for URLs or HTML, in base64 or in hex.
    """
    if not isinstance(words, str):
        return ""
    line = " ".join("".join(char if char.isprintable() else " " for char in words).split())[:MOST]
    packed = _pack(words)
    shown = [_pack(form) for form in _unescaped(line)]
    if any(_JWT_LIKE.search(text) for text in (packed, *shown)):
        return ""
    for secret in map(_pack, filter(None, secrets)):
        if secret in packed or any(_has_trace(text, secret) for text in shown):
            return ""
    return line


def repeats(words: str | None, secrets: Iterable[str]) -> bool:
    """Whether `words` say something that `quotable` would not."""
    return bool(words and words.strip() and not quotable(words, secrets=secrets))


def _has_trace(text: str, secret: str) -> bool:
    """Whether the two have enough in common, or `text` holds the secret where that is short."""
    forms = [secret, *_encoded(secret)]
    ends = range(TRACE, len(text) + 1)
    return secret in text or any(text[end - TRACE : end] in form for end in ends for form in forms)


def _unescaped(line: str) -> Iterator[str]:
    yield line
    yield line.lower()
    yield unquote(line)
    yield unquote_plus(line)
    yield html.unescape(line)
    yield line.replace("\\", "")


def _encoded(secret: str) -> Iterator[str]:
    raw = secret.encode("utf-8", "surrogatepass")
    yield raw.hex()
    for before in range(3):
        # In the midst of something else it begins at any of three places of a group of four.
        encoded = base64.b64encode(bytes(before) + raw).decode().rstrip("=")[(0, 2, 3)[before] : -1]
        yield encoded
        yield encoded.replace("+", "-").replace("/", "_")


def _pack(text: str) -> str:
    return "".join(text.split())
