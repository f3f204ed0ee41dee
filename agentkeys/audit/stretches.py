"""Splits the ledger into stretches: in each, every record follows from the one before it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from agentkeys.audit.chain import ENDING_LENGTH, Link, parse_sealed
from agentkeys.audit.files import first_seq
from agentkeys.audit.lines import LedgerFile
from agentkeys.audit.problems import Problem, Problems

__all__ = ["Span", "Stretch", "Walk"]

MOST_STRETCHES = 1000
"""Of a ledger in more pieces than that, the others are counted."""

_NUMBER = re.compile(rb', "seq": ([0-9]{1,18}),')
_NUMBER_BYTES = 400
"""At a line's end, among which its number stands."""

Span = tuple[int, int]
"""Numbers of records, the first and the last."""


@dataclass(slots=True)
class Stretch:
    """Records that follow from one another."""

    first: int
    last: int
    previous: str
    """What the first one says that it follows from."""
    chain: str
    """The digest of the last one."""
    file: str
    line: int
    """Where the first one stands."""
    broken: int = 0
    """Lines right before it that say nothing one could believe."""

    @property
    def span(self) -> Span:
        return self.first, self.last


class Walk:
    """One pass over the files, in flat memory.

    What is wrong with a line by itself goes to `problems`.
    """

    def __init__(self, *, heads: Iterable[Link], problems: Problems) -> None:
        self.stretches: list[Stretch] = []
        self.files: list[str] = []
        self.begins_at: int | None = None
        """The number that the first record should have, where a file's name tells it."""
        self.met: dict[Link, bool] = {}
        """Of the heads whose record was found, whether it is the very same."""
        self.records = 0
        """Those that are as they were sealed, wherever they stand."""
        self.last = 0
        """The highest number of one."""
        self.broken = 0
        """Lines at the end that say nothing one could believe."""
        self._problems = problems
        self._heads: dict[int, set[str]] = {}
        for head in heads:
            self._heads.setdefault(head.seq, set()).add(head.chain)
        # No line can say that it follows from this.
        self._now = Stretch(0, 0, "", "\n", "", 0)

    def through(self, file: LedgerFile) -> None:
        """Reads one file to its end; raises OSError."""
        if not self.files:
            self.begins_at = first_seq(file.path)
        self.files.append(str(file.path))
        if not file.is_regular:
            self._break(None, None, "foreign", "a link, a pipe or a folder is in its place")
        seq, chain = self._now.last, self._now.chain
        for number, line in enumerate(file.lines(), start=1):
            if number == 1:
                self._check_name(file.path, line)
            # The one loop that has to be fast: what follows as it should is not taken apart.
            digest = hashlib.sha256(line[:-ENDING_LENGTH]).hexdigest()
            due = f', "seq": {seq + 1}, "previous": "{chain}", "chain": "{digest}"}}'
            if line.endswith(due.encode()) and line.startswith(b"{"):
                seq, chain = seq + 1, digest
                if seq in self._heads:
                    self._meet(seq, chain)
            else:
                self._come_to(seq, chain)
                self._look_at(line, number)
                seq, chain = self._now.last, self._now.chain
        self._come_to(seq, chain)
        if file.torn:
            self._break(None, None, "torn", f"its last line has no end ({file.torn} bytes)")

    def _check_name(self, path: Path, line: bytes) -> None:
        named, sealed = first_seq(path), parse_sealed(line)
        if named and sealed and named != sealed.link.seq:
            message = f"the file begins with record {sealed.link.seq}, but its name says {named}"
            self._problems.add(Problem(named, str(path), 1, "reordered", message))

    def _come_to(self, seq: int, chain: str) -> None:
        """The present stretch goes on to there."""
        if seq == self._now.last:
            return
        self.records += seq - self._now.last
        self.last = max(self.last, seq)
        self.broken = 0
        self._now.last, self._now.chain = seq, chain

    def _look_at(self, line: bytes, number: int) -> None:
        """A line that does not follow from the one before it."""
        sealed = parse_sealed(line)
        if sealed and sealed.is_true(line):
            self._begin(sealed.link, sealed.previous, number)
        elif numbers := _NUMBER.findall(line[-_NUMBER_BYTES:]):
            seq = int(numbers[-1])
            message = f"the record that says it is number {seq} was changed"
            self._break(seq, number, "changed", message)
        else:
            self._break(None, number, "foreign", "the line is no record of ours")

    def _begin(self, link: Link, previous: str, number: int) -> None:
        """A stretch of its own."""
        self._now = Stretch(
            link.seq, link.seq, previous, link.chain, self.files[-1], number, self.broken
        )
        if len(self.stretches) < MOST_STRETCHES:
            self.stretches.append(self._now)
        else:
            self._problems.further += 1
        self.records += 1
        self.last = max(self.last, link.seq)
        self.broken = 0
        self._meet(link.seq, link.chain)

    def _break(self, seq: int | None, number: int | None, kind: str, message: str) -> None:
        """The line, or the file, has nothing to believe."""
        self.broken += 1
        self._problems.add(Problem(seq, self.files[-1], number, kind, message))

    def _meet(self, seq: int, chain: str) -> None:
        for each in self._heads.get(seq, ()):
            head = Link(seq, each)
            self.met[head] = self.met.get(head, False) or each == chain
