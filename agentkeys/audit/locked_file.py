"""A file that several processes append to, one at a time."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from agentkeys.private_files import is_private, private_folder

__all__ = ["PATIENCE_SECONDS", "append_whole", "locked_file"]

PATIENCE_SECONDS = 0.05
"""A writer holds the lock for some microseconds; who holds it longer than this is stuck."""
_PAUSE_SECONDS = 0.002

# A pipe that somebody put there must not hold us up.
_FLAGS = (
    os.O_RDWR
    | os.O_APPEND
    | os.O_CREAT
    | os.O_NOFOLLOW
    | os.O_NONBLOCK
    | os.O_CLOEXEC
    | os.O_NOCTTY
)


@contextmanager
def locked_file(path: Path, *, patience: float) -> Iterator[tuple[int, os.stat_result]]:
    """The descriptor of the file at `path` and what it is, while no other writer has it.

    It is made where it is missing, mode 0600, and its folder too. `patience` is in seconds. Raises
    OSError, ConfigError.
    """
    end = time.monotonic() + patience
    while True:
        descriptor = _open(path)
        try:
            found = _lock(descriptor, path, end)
            if found is not None:
                try:
                    yield descriptor, found
                finally:
                    # Not by closing it alone: a child that is just being made may have it, too.
                    fcntl.flock(descriptor, fcntl.LOCK_UN)
                return
        finally:
            os.close(descriptor)


def append_whole(descriptor: int, content: bytes, *, size: int) -> None:
    """One write at the end of a file of `size` bytes, or OSError and nothing.

    A full disk leaves no half of it.
    """
    written = os.write(descriptor, content)
    if written < len(content):
        os.ftruncate(descriptor, size)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _open(path: Path) -> int:
    if not _is_in_private_folder(path):
        private_folder(path.parent)
    return os.open(path, _FLAGS, 0o600)


def _is_in_private_folder(path: Path) -> bool:
    try:
        return is_private(path.parent)
    except FileNotFoundError:
        return False


def _lock(descriptor: int, path: Path, end: float) -> os.stat_result | None:
    """None where another writer has put the file away meanwhile."""
    if not _is_ours(os.fstat(descriptor)):
        raise PermissionError(errno.EPERM, "it is not a file of yours")
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError:
            if time.monotonic() >= end:
                raise BlockingIOError(errno.EAGAIN, "another process holds its lock") from None
            time.sleep(_PAUSE_SECONDS)
    found = os.fstat(descriptor)
    return found if _is_at(path, found) else None


def _is_ours(found: os.stat_result) -> bool:
    return stat.S_ISREG(found.st_mode) and found.st_uid == os.getuid()


def _is_at(path: Path, found: os.stat_result) -> bool:
    try:
        there = os.lstat(path)
    except FileNotFoundError:
        return False
    return (there.st_dev, there.st_ino) == (found.st_dev, found.st_ino)
