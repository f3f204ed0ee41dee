"""Takes a line apart as a shell would, also one that ends within a word or a quotation."""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["Typed", "split_line"]

_PART = r"""
    '(?P<single>[^']*)(?:'|$)
  | "(?P<double>(?:[^"\\]|\\.)*)(?:"|\\?$)
  | \\(?P<escaped>.|$)
  | (?P<plain>[^ \t\n"'\\]+)
"""
_part = re.compile(_PART, re.VERBOSE | re.DOTALL)
_word = re.compile(re.sub(r"\?P<\w+>", "?:", f"(?:{_PART})+"), re.VERBOSE | re.DOTALL)
_escape = re.compile(r'\\(["\\$`])')


@dataclass(frozen=True, slots=True)
class Typed:
    """A command line up to the cursor."""

    words: tuple[str, ...]
    """Without their quotes; the last one is being typed, and is empty after a space."""
    starts: tuple[int, ...]
    """Where in the line each of them begins."""


def split_line(line: str) -> Typed:
    """The words of `line`; what a shell would put in the place of a variable stays as it is."""
    found = list(_word.finditer(line))
    words = [_unquoted(match[0]) for match in found]
    starts = [match.start() for match in found]
    if not found or found[-1].end() < len(line):
        words.append("")
        starts.append(len(line))
    return Typed(tuple(words), tuple(starts))


def _unquoted(word: str) -> str:
    text = ""
    for part in _part.finditer(word):
        if part["double"] is not None:
            text += _escape.sub(r"\1", part["double"])
        else:
            text += part["single"] or part["escaped"] or part["plain"] or ""
    return text
