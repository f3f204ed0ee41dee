"""Reads the files that hold a client's secret or key, as ssh reads its keys."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from agentkeys.errors import SourceFailed

__all__ = ["read_private_text"]

MOST_BYTES = 65_536


def read_private_text(path: Path, *, what: str) -> str:
    """The whole text of a file that nobody else can read; blocks for as long as the disk does.

    Raises SourceFailed, which names the file and never shows any of it.
    """
    try:
        # Without blocking: a pipe that nobody writes to must not hang us.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as file:
            _check(path, what, file.fileno())
            content = file.read(MOST_BYTES + 1)
    except OSError as problem:
        raise SourceFailed(
            f"{what} in {path} cannot be read: {problem.strerror}",
            hint="check the path, and that the file is yours",
        ) from None
    if len(content) > MOST_BYTES:
        raise SourceFailed(f"{path} is too long for {what}", hint="check the path")
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise SourceFailed(f"{what} in {path} is not text", hint="check the path") from None


def _check(path: Path, what: str, descriptor: int) -> None:
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode):
        raise SourceFailed(f"{path} is not a file", hint=f"name the file that holds {what}")
    # What is mounted read-only, as Kubernetes does with secrets, is not ours to close.
    is_ours = found.st_uid == os.getuid() and not os.fstatvfs(descriptor).f_flag & os.ST_RDONLY
    if is_ours and found.st_mode & 0o077:
        raise SourceFailed(
            f"{what} in {path} can be read by other users", hint=f"run: chmod 600 {path}"
        )
