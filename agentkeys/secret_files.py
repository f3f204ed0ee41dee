"""Reads files that hold a secret and that something else writes, as ssh reads its keys."""

from __future__ import annotations

import os
import shlex
import stat
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from agentkeys.errors import SourceFailed
from agentkeys.quoting import quotable

__all__ = ["Stamp", "read_secret_file", "stamp_of"]


@dataclass(frozen=True, slots=True)
class Stamp:
    """Changes whenever the file does, or another takes its place."""

    device: int
    inode: int
    size: int
    written_ns: int
    changed_ns: int
    """The inode's own time: nobody can set it back, and it tells of a chmod as well."""

    @property
    def changed_at(self) -> datetime:
        """When it last did, by the file system's clock."""
        return datetime.fromtimestamp(max(self.written_ns, self.changed_ns) / 1e9, UTC)


def stamp_of(path: Path, *, what: str) -> Stamp:
    """The stamp of the file that `path` leads to, at the price of one stat; SourceFailed."""
    try:
        return _stamp(path.stat())
    except (OSError, ValueError) as problem:
        raise _unreadable(path, what, problem) from None


def read_secret_file(path: Path, *, what: str, most: int) -> tuple[bytes, Stamp]:
    """The whole content, of at most so many bytes, and the stamp that the file had before.

    Links are followed: a projected token of Kubernetes is one. It blocks for as long as the disk
    does, and never for a pipe. `what` is for people, such as "token file".

    Raises SourceFailed, which names the file and shows none of it, unless it is a regular file,
    ours or root's, that is closed to others; what is mounted read-only may be anybody's.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK)
        try:
            found = os.fstat(descriptor)
            _check(path, what, found, is_fixed=_is_fixed(descriptor))
            content = _read(descriptor, most + 1)
        finally:
            os.close(descriptor)
    except (OSError, ValueError) as problem:
        raise _unreadable(path, what, problem) from None
    if len(content) > most:
        raise SourceFailed(
            f"the {what} {_shown(path)} is longer than {most} bytes", hint="check the path"
        )
    return content, _stamp(found)


def _check(path: Path, what: str, found: os.stat_result, *, is_fixed: bool) -> None:
    if not stat.S_ISREG(found.st_mode):
        kind = "a folder" if stat.S_ISDIR(found.st_mode) else "no regular file"
        raise SourceFailed(f"the {what} {_shown(path)} is {kind}", hint="check the path")
    if is_fixed:
        return
    if found.st_uid not in (os.geteuid(), 0):
        raise SourceFailed(
            f"the {what} {_shown(path)} belongs to another user (uid {found.st_uid})",
            hint="its owner could make you somebody else; use a file of your own",
        )
    # Who may read what root has laid down is root's business, but nobody else may change it.
    open_to = 0o077 if found.st_uid == os.geteuid() else 0o002
    if found.st_mode & open_to:
        raise SourceFailed(
            f"the {what} {_shown(path)} is open to other users",
            hint=f"run: chmod 600 {shlex.quote(_shown(path))}",
        )


def _read(descriptor: int, most: int) -> bytes:
    # By hand: an open() file object would not close the descriptor of what it refuses to read.
    content = b""
    while len(content) < most and (more := os.read(descriptor, most - len(content))):
        content += more
    return content


def _is_fixed(descriptor: int) -> bool:
    """Whether it is mounted read-only, as containers get theirs: nobody in there can change it."""
    return bool(os.fstatvfs(descriptor).f_flag & os.ST_RDONLY)


def _stamp(found: os.stat_result) -> Stamp:
    return Stamp(found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


def _unreadable(path: Path, what: str, problem: OSError | ValueError) -> SourceFailed:
    if isinstance(problem, FileNotFoundError):
        return SourceFailed(
            f"no {what} at {_shown(path)}", hint="check the path, and whatever writes the file"
        )
    because = getattr(problem, "strerror", None) or "that is no path"
    return SourceFailed(
        f"the {what} {_shown(path)} cannot be read: {because}",
        hint="check the path, and that the file is yours",
    )


def _shown(path: Path) -> str:
    return quotable(str(path))
