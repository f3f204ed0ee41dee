"""One daemon per socket: the lock it holds, and the socket that only it may remove."""

from __future__ import annotations

import os
import socket
import stat
from contextlib import suppress
from pathlib import Path

import filelock

from agentkeys.errors import DaemonError
from agentkeys.private_files import replace_file

__all__ = ["BACKLOG", "AlreadyRunning", "OwnSocket", "only_one"]

BACKLOG = 4096
"""Connections that may wait to be accepted."""

HANDOVER_SECONDS = 10
"""How long a daemon that is ending may take to let go of the lock."""


class AlreadyRunning(DaemonError):
    code = "daemon_already_running"


def only_one(path: Path, *, patience: float = HANDOVER_SECONDS) -> filelock.BaseFileLock:
    """The lock that the daemon of the socket `path` holds for as long as it lives.

    One that is ending may take `patience` seconds to let go of it. Raises AlreadyRunning, and
    DaemonError when the one that runs can no longer be reached.
    """
    lock = filelock.FileLock(f"{path}.lock", mode=0o600)
    try:
        lock.acquire(timeout=patience)
    except filelock.Timeout:
        if path.exists():
            raise _already_running(path) from None
        raise DaemonError(
            f"a daemon runs, but somebody has removed its socket {path}", hint=_ending_it(path)
        ) from None
    except OSError as problem:
        raise _unusable(f"{path}.lock", problem) from problem
    try:
        replace_file(_pid_file(path), str(os.getpid()), outlives_machine=False)
    except OSError as problem:
        lock.release()
        raise _unusable(str(_pid_file(path)), problem) from problem
    return lock


def _unusable(path: str, problem: OSError) -> DaemonError:
    return DaemonError(
        f"{path} cannot be written: {problem.strerror or problem}",
        hint="make room, or remove what is there",
    )


class OwnSocket:
    """A listening socket at `path`, private from birth.

    Replaces a stale one, never one that answers nor what is no socket. Raises AlreadyRunning,
    DaemonError.
    """

    def __init__(self, path: Path, *, taken: socket.socket | None = None) -> None:
        """`taken` is what an earlier daemon has left listening there."""
        self._path = path
        self.socket = taken or _made(path)
        self._inode = _inode(path)

    @property
    def is_there(self) -> bool:
        """Whether clients still find it."""
        try:
            return _inode(self._path) == self._inode
        except OSError:
            return False

    def remove(self) -> None:
        """Takes it away, unless somebody else has put theirs in its place."""
        with suppress(FileNotFoundError):
            if _inode(self._path) == self._inode:
                self._path.unlink()


def _made(path: Path) -> socket.socket:
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        _clear_the_way(path)
        _close_to_others(made)
        made.bind(str(path))
        path.chmod(0o600)  # elsewhere the umask has kept others out, and leaves a useless x
        made.listen(BACKLOG)
    except OSError as problem:
        made.close()
        raise DaemonError(
            f"the socket {path} cannot be made: {problem.strerror or problem}",
            hint="remove what is there, or set AGENTKEYS_SOCKET to another path",
        ) from problem
    except DaemonError:
        made.close()
        raise
    made.setblocking(False)
    return made


def _close_to_others(made: socket.socket) -> None:
    """Has the file that `made` is bound to be mode 0600 from birth, on Linux."""
    with suppress(OSError):
        os.fchmod(made.fileno(), 0o600)


def _clear_the_way(path: Path) -> None:
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise DaemonError(
            f"{path} is not a socket", hint="set AGENTKEYS_SOCKET to a path where nothing is yet"
        )
    if _answers(path):
        raise _already_running(path)
    path.unlink(missing_ok=True)


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1)
        try:
            probe.connect(str(path))
        except (ConnectionRefusedError, FileNotFoundError):
            return False
        except OSError:
            # Too busy to take one more: whoever it is, it lives.
            return True
    return True


def _inode(path: Path) -> tuple[int, int]:
    found = path.lstat()
    return found.st_dev, found.st_ino


def _pid_file(path: Path) -> Path:
    return Path(f"{path}.pid")


def _ending_it(path: Path) -> str:
    """What a person can do about a daemon that nobody reaches."""
    try:
        pid = int(_pid_file(path).read_text(encoding="ascii"))
    except (OSError, ValueError):
        pid = 0
    # Others than these would mean whole groups of processes.
    return f"run: kill {pid}" if pid > 1 else f"end whatever holds {path}.lock"


def _already_running(path: Path) -> AlreadyRunning:
    return AlreadyRunning(f"a daemon already serves {path}", hint="run: agentkeys daemon restart")
