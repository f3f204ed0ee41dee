"""The end of a ledger's file: the last link of its chain, and what of it is torn."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from agentkeys.audit.chain import LARGEST_LINE, Link, parse_sealed
from agentkeys.private_files import opened_plainly

__all__ = ["Tail", "first_link", "lines_backwards", "read_tail"]

_BLOCK = 1 << 16


@dataclass(frozen=True, slots=True)
class Tail:
    """How a file ends."""

    link: Link | None
    """Of the last line that has one; None where none has, as far as it was looked for."""
    is_foreign: bool
    """Whether whole lines that have none stand behind it."""
    torn: bytes
    """What follows the last whole line: a line in whose middle somebody was stopped."""


def read_tail(descriptor: int) -> Tail:
    """Of an open file; raises OSError.

    A torn part that is longer than any line of ours counts as foreign.
    """
    size = os.fstat(descriptor).st_size
    for reach in (_BLOCK, 2 * LARGEST_LINE):
        start = max(0, size - reach)
        tail = _tail_of(os.pread(descriptor, reach, start), is_whole=start == 0)
        if tail.link or start == 0:
            break
    return tail


def _tail_of(block: bytes, *, is_whole: bool) -> Tail:
    *lines, torn = block.split(b"\n")
    # What the block begins with is a part of a line.
    reached = lines if is_whole else lines[1:]
    for distance, line in enumerate(reversed(reached)):
        if sealed := parse_sealed(line):
            return Tail(sealed.link, distance > 0, torn)
    is_foreign = bool(reached) or not is_whole or len(torn) > LARGEST_LINE
    return Tail(None, is_foreign, torn)


def first_link(descriptor: int) -> Link | None:
    """The link of a file's first line; None where that is none of ours. Raises OSError."""
    for reach in (_BLOCK, LARGEST_LINE):
        line, end, _ = os.pread(descriptor, reach, 0).partition(b"\n")
        if end:
            sealed = parse_sealed(line)
            return sealed.link if sealed else None
    return None


def lines_backwards(path: Path) -> Iterator[bytes]:
    """The whole lines of a file, the last one first, without their ends; raises OSError.

    None of what is no file, such as a link or a pipe that somebody put there.
    """
    if not stat.S_ISREG(path.lstat().st_mode):
        return
    with opened_plainly(path) as file:
        begin, rest, is_last = file.seek(0, os.SEEK_END), b"", True
        while begin > 0:
            size = min(_BLOCK, begin)
            begin -= size
            file.seek(begin)
            rest, *lines = (file.read(size) + rest).split(b"\n")
            # Behind the very last end of a line there is nothing, or what is torn.
            yield from reversed(lines[:-1] if is_last and lines else lines)
            is_last = is_last and not lines
            if len(rest) > LARGEST_LINE:  # no line of ours begins in it
                rest = b""
        if not is_last:
            yield rest
