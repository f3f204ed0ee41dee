"""The chain: every line of the ledger holds a digest of itself and of the line before it.

A line ends with `, "seq": N, "previous": "HEX", "chain": "HEX"}`. Its `chain` is the SHA-256 of all
bytes before `, "chain"`, and `previous` is the `chain` of the record before it, so that none can be
changed, removed or put elsewhere unless all that follow are written anew.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

__all__ = [
    "BEGINNING",
    "ENDING_LENGTH",
    "LARGEST_LINE",
    "Link",
    "Sealed",
    "parse_link",
    "parse_sealed",
    "seal",
]

LARGEST_LINE = 1 << 20
"""Bytes; what is longer is no line of ours."""
ENDING_LENGTH = len(', "chain": ""}') + 64
"""Bytes of a line that its own digest does not cover, without the line's end."""

_ENDING = re.compile(
    rb', "seq": ([1-9][0-9]{0,17}), "previous": "([0-9a-f]{64})", "chain": "([0-9a-f]{64})"}\Z'
)
_DIGEST = re.compile(r"[0-9a-f]{64}")
_LARGEST_SEQ = 10**18
_LONGEST_ENDING = len(', "seq": , "previous": "", "chain": ""}') + 18 + 2 * 64


@dataclass(frozen=True, slots=True)
class Link:
    """Where a chain ends: the number of its last record, and that record's digest."""

    seq: int
    chain: str
    """64 lower-case hex digits."""


BEGINNING = Link(0, "0" * 64)
"""Where every chain begins."""


def parse_link(seq: object, chain: object) -> Link:
    """From JSON; raises ValueError."""
    if isinstance(seq, bool) or not isinstance(seq, int) or not 0 <= seq < _LARGEST_SEQ:
        raise ValueError("no number of a record")
    if not isinstance(chain, str) or not _DIGEST.fullmatch(chain):
        raise ValueError("no digest")
    return Link(seq, chain)


@dataclass(frozen=True, slots=True)
class Sealed:
    """What a line says of itself; whether that is true is another question."""

    previous: str
    link: Link

    def is_true(self, line: bytes) -> bool:
        """Whether the digest is that of `line`, which this was read from."""
        return hashlib.sha256(line[:-ENDING_LENGTH]).hexdigest() == self.link.chain


def seal(document: bytes, after: Link) -> tuple[bytes, Link]:
    """The line of a record's JSON object, with its end, and the link that it makes.

    `document` is the object on one line, not empty, in UTF-8; `after` is the link before it.
    """
    seq = after.seq + 1
    ending = f', "seq": {seq}, "previous": "{after.chain}"'.encode()
    covered = document.removesuffix(b"}") + ending
    chain = hashlib.sha256(covered).hexdigest()
    return covered + f', "chain": "{chain}"}}\n'.encode(), Link(seq, chain)


def parse_sealed(line: bytes) -> Sealed | None:
    """Of a line without its end; None where it is none of ours."""
    found = _ENDING.search(line, max(0, len(line) - _LONGEST_ENDING))
    if found is None or not line.startswith(b"{"):
        return None
    seq, previous, chain = found.groups()
    return Sealed(previous.decode(), Link(int(seq), chain.decode()))
