"""Folders and files that only their owner can open, from the moment they are there."""

from __future__ import annotations

import errno
import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from agentkeys.errors import ConfigError

__all__ = [
    "exposed_parent",
    "is_private",
    "make_folders",
    "opened_plainly",
    "private_folder",
    "replace_file",
]


def make_folders(path: Path) -> None:
    """Makes what is missing of `path` and its parents, each mode 0700 whatever the umask.

    `Path.mkdir` gives the parents that it makes to whomever the umask lets in. What is there is
    left as it is. Raises OSError.
    """
    for folder in reversed([each for each in (path, *path.parents) if not each.exists()]):
        folder.mkdir(mode=0o700, exist_ok=True)


def private_folder(path: Path) -> Path:
    """Makes `path`, and its missing parents, folders of mode 0700; returns `path`.

    Raises ConfigError when it exists and is a link, another user's or open to others, or when
    somebody else could put another folder in its place.
    """
    try:
        # Before anything is made: what root would leave in another user's folders locks them out.
        exposed = exposed_parent(path)
        if exposed is None:
            make_folders(path)
            found = path.lstat()
    except OSError as problem:
        raise ConfigError(
            f"the folder {path} cannot be made: {problem.strerror}",
            hint="make its parent writable, or set AGENTKEYS_STATE_DIR to a folder of yours",
        ) from problem
    if exposed is not None:
        raise _lies_exposed(path, exposed)
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise ConfigError(
            f"the folder {path} is a link, or not yours", hint="choose a folder of your own"
        )
    if found.st_mode & 0o077:
        raise ConfigError(
            f"the folder {path} is open to other users", hint=_closing(path, found.st_mode)
        )
    return path


def is_private(path: Path) -> bool:
    """Whether it is a folder of ours that nobody else can open, whatever lies above it.

    Raises OSError.
    """
    found = path.lstat()
    is_ours = stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid()
    return is_ours and not found.st_mode & 0o077


def exposed_parent(path: Path) -> Path | None:
    """The folder above `path` where others could put something else in its place, if there is one.

    Raises OSError.
    """
    return next(filter(_is_exposed, _existing_parents(path)), None)


def _existing_parents(path: Path) -> Iterator[Path]:
    folder = path.parent.resolve()
    return (parent for parent in (folder, *folder.parents) if parent.exists())


def _lies_exposed(path: Path, exposed: Path) -> ConfigError:
    return ConfigError(
        f"the folder {path} lies in {exposed}, where others could put another in its place",
        hint="choose a folder below your home",
    )


def _is_exposed(folder: Path) -> bool:
    """Whether anyone but us and root may rename what lies in `folder`."""
    found = folder.stat()
    if found.st_uid not in (os.getuid(), 0):
        return True
    # A group of one's own is what many systems give their users. The sticky bit guards /tmp.
    writers = 0o002 if found.st_gid == os.getgid() else 0o022
    return bool(found.st_mode & writers) and not found.st_mode & stat.S_ISVTX


def _closing(path: Path, mode: int) -> str:
    if mode & stat.S_ISVTX:
        return "choose a folder of your own: this one is shared by everybody"
    return f"run: chmod 700 {path}"


def opened_plainly(path: Path) -> BinaryIO:
    """The file at `path`, to be read; raises OSError for what is none, such as a link or a pipe."""
    # A pipe that somebody put there must not hold us up.
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
    descriptor = os.open(path, flags)
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return os.fdopen(descriptor, "rb")
    os.close(descriptor)
    raise OSError(errno.EINVAL, "it is no file", str(path))


def replace_file(path: Path, content: str, *, outlives_machine: bool = True) -> None:
    """Writes `content` to `path`, mode 0600 from birth, so that a crash leaves old or new, whole.

    A crash of the machine too, unless it need not outlive that. The folder must exist. Raises
    OSError.
    """
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(content)
            if outlives_machine:
                file.flush()
                os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
