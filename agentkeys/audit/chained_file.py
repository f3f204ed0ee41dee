"""The ledger's files as one chain, whoever else writes to them, or moves them, or goes down."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from agentkeys.audit.chain import BEGINNING, Link, parse_sealed, seal
from agentkeys.audit.files import full_name, ledger_files, unchained_name
from agentkeys.audit.locked_file import PATIENCE_SECONDS, append_whole, locked_file
from agentkeys.audit.syncing import Unsynced
from agentkeys.audit.tail import Tail, first_link, lines_backwards, read_tail
from agentkeys.clock import Clock

__all__ = ["ChainedFile", "Tell"]


class Tell(Protocol):
    """Hears of what was not as it should be, before the next lines are written."""

    def __call__(self, detail: str, *, is_missing: bool = False) -> None:
        """`is_missing` says that records are gone for ever."""
        ...


class ChainedFile:
    """Appends lines to the present file, and goes on with the chain wherever that has ended.

    Every append opens the file anew. What is wrong with the system comes out as OSError, what is
    wrong with the folder as ConfigError.
    """

    def __init__(self, *, path: Path, clock: Clock, largest: int, tell: Tell) -> None:
        self.link: Link | None = None
        """The last record's; None where nothing is known of the files yet."""
        self._path = path
        self._clock = clock
        self._largest = largest
        self._tell = tell
        self._unsynced = Unsynced()
        self._left: tuple[int, int, int] | None = None
        """Device, inode and size of the present file as our last append has left it."""
        self._patience = PATIENCE_SECONDS

    def append(self, documents: Callable[[], Sequence[bytes]]) -> None:
        """Writes what `documents` gives once the chain's end is known: all of it, or nothing."""
        while not self._append_here(documents):
            # The present file was put away, and the next one is made.
            pass

    def sync(self) -> None:
        """Returns when what was written outlives the machine. Blocks; for any one thread."""
        self._unsynced.sync()

    def contains(self, link: Link) -> bool:
        """Whether the files hold the record that `link` is of, or the one after it as their first.

        Blocks; for any thread.
        """
        if link == BEGINNING:
            return True
        while True:
            try:
                return self._holds(link)
            except FileNotFoundError:  # put away as a full one under our eyes
                continue

    def go_on_from(self, head: Link) -> None:
        """Has the chain go on from a head that the files do not hold, so that all can see the gap.

        For once the end of the chain is known.
        """
        ended = self.link or BEGINNING
        self.link = Link(max(ended.seq, head.seq), head.chain)
        if ended.seq < head.seq:
            self._tell(_ended_early(ended, head), is_missing=True)
        else:
            self._tell(
                f"the ledger's record {head.seq} is not the one that its head is of:"
                " records are missing",
                is_missing=True,
            )

    def close(self) -> None:
        """Lets go of what `sync` would still need."""
        self._unsynced.close()

    def _append_here(self, documents: Callable[[], Sequence[bytes]]) -> bool:
        """False where the present file is none any more."""
        try:
            with locked_file(self._path, patience=self._patience) as (descriptor, found):
                self._patience = PATIENCE_SECONDS
                if self._left != _mark(found) and not self._take_up(descriptor):
                    return False
                return self._add(descriptor, documents())
        except BlockingIOError:
            # Nobody is to wait for the same stuck process again and again.
            self._patience = 0.0
            raise

    def _add(self, descriptor: int, documents: Sequence[bytes]) -> bool:
        if not documents:
            return True
        found = os.fstat(descriptor)
        content, link = _sealed(documents, self.link or BEGINNING)
        if found.st_size and found.st_size + len(content) > self._largest:
            first = first_link(descriptor)
            self._put_away(full_name(self._path, first.seq if first else 0))
            return False
        append_whole(descriptor, content, size=found.st_size)
        self.link = link
        self._left = (found.st_dev, found.st_ino, found.st_size + len(content))
        self._unsynced.note(descriptor, found)
        if found.st_size == 0:
            self._unsynced.note_folder(self._path.parent)
        return True

    def _take_up(self, descriptor: int) -> bool:
        """Finds the end of a file that is not as we have left it; False where it is put away."""
        tail = read_tail(descriptor)
        if tail.link is None and tail.is_foreign:
            self._put_aside()
            return False
        if tail.torn:
            os.ftruncate(descriptor, os.fstat(descriptor).st_size - len(tail.torn))
            self._tell(_torn_words(tail.torn))
        if tail.is_foreign:
            self._tell("lines that are not of agentkeys stand before this one")
        self._find_link(tail)
        # Whatever was found is told once, also where it cannot be written yet.
        self._left = _mark(os.fstat(descriptor))
        return True

    def _find_link(self, tail: Tail) -> None:
        before = self.link
        # Into a new file the chain comes from the one before it.
        found = tail.link or self._last_full() or BEGINNING
        if before is None:
            self.link = found
        elif tail.link is None and found.seq <= before.seq:
            pass  # the file of our last record may have been moved away
        elif found == before or (found.seq > before.seq and self.contains(before)):
            self.link = found
        else:
            self.link = found
            self.go_on_from(before)

    def _last_full(self) -> Link | None:
        """The last link of the files that were full."""
        full = [path for path in ledger_files(self._path) if path != self._path]
        for path in reversed(full):
            for line in lines_backwards(path):
                if sealed := parse_sealed(line):
                    return sealed.link
        return None

    def _holds(self, link: Link) -> bool:
        first = None
        for path in reversed(ledger_files(self._path)):
            for line in lines_backwards(path):
                sealed = parse_sealed(line)
                if sealed and sealed.link.seq <= link.seq:
                    return sealed.link == link
                first = sealed or first
        # Where all before it was moved away, the first record still says what it follows.
        return first is not None and Link(first.link.seq - 1, first.previous) == link

    def _put_aside(self) -> None:
        """The file is none of ours, or was written before there were chains."""
        name = unchained_name(self._path, self._clock.now().strftime("%Y%m%dT%H%M%SZ"))
        self._put_away(name)
        self._tell(f"a ledger without a chain was put aside as {name.name}")

    def _put_away(self, name: Path) -> None:
        self._path.rename(name)
        self._left = None


def _sealed(documents: Sequence[bytes], after: Link) -> tuple[bytes, Link]:
    lines, link = [], after
    for document in documents:
        line, link = seal(document, link)
        lines.append(line)
    return b"".join(lines), link


def _mark(found: os.stat_result) -> tuple[int, int, int]:
    return found.st_dev, found.st_ino, found.st_size


def _ended_early(ended: Link, head: Link) -> str:
    return f"the ledger ended at record {ended.seq}, its head is at {head.seq}: records are missing"


_TORN_SHOWN = 1000


def _torn_words(torn: bytes) -> str:
    shown = torn.decode("utf-8", "backslashreplace")[:_TORN_SHOWN]
    return f"a torn line of {len(torn)} bytes was removed: {shown}"
