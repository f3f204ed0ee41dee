"""The lines of the ledger's files, as they were when they were opened.

The daemon may write at the same time, begin a new file, or take half a line back for which the disk
had no room. Whoever reads sees whole lines, and takes none of this for damage.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from agentkeys.audit.chain import LARGEST_LINE
from agentkeys.audit.files import ledger_files, unchained_files
from agentkeys.errors import AuditError

__all__ = ["LedgerFile", "open_files", "open_ledger"]

_BLOCK = LARGEST_LINE + 1
_WRITER_SECONDS = 1.0
"""How long a writer may hold the end of the file."""


class LedgerFile:
    """One file, open for reading; without a descriptor it is a link, which nobody follows."""

    def __init__(self, path: Path, descriptor: int | None) -> None:
        found = path.lstat() if descriptor is None else os.fstat(descriptor)
        self.path = path
        self.is_regular = stat.S_ISREG(found.st_mode)
        """Else it has no lines: somebody put a link, a pipe or a folder there."""
        self.torn = 0
        """Bytes at its end that are no whole line, known when the lines have been read."""
        self._descriptor = -1 if descriptor is None else descriptor
        self._size = found.st_size if self.is_regular else 0
        self._identity = (found.st_dev, found.st_ino)

    def is_same(self, other: LedgerFile) -> bool:
        """Whether both are one file, whatever it is called by now."""
        return self._identity == other._identity

    def lines(self) -> Iterator[bytes]:
        """Those that began before it was opened, without their ends, in flat memory.

        One that is too long to be ours comes as an empty one. Raises OSError.
        """
        position = 0
        while position < self._size and (block := self._read(position)):
            # Each block begins with a line: what has been read of one that goes on may be taken
            # back before the rest is there.
            whole, end, _ = block.rpartition(b"\n")
            if end:
                position += len(whole) + 1
                yield from whole.split(b"\n")
            elif len(block) == _BLOCK:
                position = self._next_line(position)
                yield b""
            else:
                yield from self._last_line(position)
                break

    def _read(self, position: int) -> bytes:
        return os.pread(self._descriptor, min(_BLOCK, self._size - position), position)

    def _next_line(self, position: int) -> int:
        """Where a line begins that follows the one at `position`."""
        while block := self._read(position):
            line, end, _ = block.partition(b"\n")
            position += len(line) + len(end)
            if end:
                break
        return position

    def _last_line(self, position: int) -> Iterator[bytes]:
        """The one that has no end yet, unless a writer was just in the middle of it."""
        with _no_writer(self._descriptor):
            found = os.pread(self._descriptor, _BLOCK, position)
        line, end, _ = found.partition(b"\n")
        if end:
            yield line
        else:
            self.torn = len(line)


@contextmanager
def _no_writer(descriptor: int) -> Iterator[None]:
    """Nobody writes meanwhile, as long as all keep to the lock; one that is held is not awaited."""
    end = time.monotonic() + _WRITER_SECONDS
    while time.monotonic() < end:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            time.sleep(0.0005)
            continue
        break
    try:
        yield
    finally:
        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_UN)


def open_ledger(path: Path, *, with_unchained: bool = False) -> Iterator[LedgerFile]:
    """Every file of the ledger whose present one is `path`, each open until the next one.

    First, where they are asked for, those that were put away because they are no chain. Yields
    nothing where there is no ledger. Raises AuditError for what cannot be opened.
    """
    # First the present one: when it is full and gets another name, nothing is read twice, or not
    # at all.
    with _opened(path) as present:
        try:
            full = [file for file in ledger_files(path) if file != path]
            if with_unchained:
                full = unchained_files(path) + full
        except OSError as problem:
            raise _unreadable(path.parent, problem) from problem
        is_read = False
        for name in full:
            with _opened(name) as file:
                if file is None:
                    raise _unreadable(name, FileNotFoundError(errno.ENOENT, "it was moved away"))
                is_read = is_read or bool(present and file.is_same(present))
                yield file
        if present and not is_read:
            yield present


def open_files(paths: Iterable[Path]) -> Iterator[LedgerFile]:
    """These files, each open until the next one. Raises AuditError for what cannot be opened."""
    for path in paths:
        with _opened(path) as file:
            if file is None:
                raise AuditError(f"there is no file {path}", hint="name a file of a ledger")
            yield file


@contextmanager
def _opened(path: Path) -> Iterator[LedgerFile | None]:
    """None where there is nothing of that name."""
    descriptor = None
    try:
        descriptor = _descriptor(path)
        file = LedgerFile(path, descriptor)
    except FileNotFoundError:
        file = None
    except OSError as problem:
        raise _unreadable(path, problem) from problem
    try:
        yield file
    finally:
        if descriptor is not None:
            os.close(descriptor)


def _descriptor(path: Path) -> int | None:
    """None for a link. Raises OSError."""
    # A pipe that somebody put there must not hold us up, and a link not lead us elsewhere.
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
    try:
        return os.open(path, flags)
    except OSError as problem:
        if problem.errno == errno.ELOOP:
            return None
        raise


def _unreadable(path: Path, problem: OSError) -> AuditError:
    return AuditError(
        f"the ledger {path} cannot be read: {problem.strerror}",
        hint="look at what it is and whose; it should be a file of yours, mode 0600",
    )
