"""Folders and files that only their owner can open, from the moment they are there."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path

from agentkeys.errors import ConfigError

__all__ = ["private_folder", "replace_file"]


def private_folder(path: Path) -> Path:
    """Makes `path`, and its missing parents, folders of mode 0700; returns `path`.

    Raises ConfigError when it exists but is a link, another user's, or writable by others.
    """
    try:
        missing = [parent for parent in (path, *path.parents) if not parent.exists()]
        for folder in reversed(missing):
            folder.mkdir(mode=0o700, exist_ok=True)
        found = path.lstat()
    except OSError as problem:
        raise ConfigError(
            f"the folder {path} cannot be made: {problem.strerror}",
            hint="make its parent writable, or set AGENTKEYS_STATE_DIR to a folder of yours",
        ) from problem
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o022:
        raise ConfigError(
            f"the folder {path} is a link, another user's, or writable by others",
            hint=f"remove it, or run: chmod 700 {path}",
        )
    return path


def replace_file(path: Path, content: str) -> None:
    """Writes `content` to `path`, mode 0600 from birth, so that a crash leaves old or new, whole.

    The folder must exist. Raises OSError.
    """
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
