"""What lies at the socket's path, and whether anybody answers there."""

from __future__ import annotations

import os
import socket
import stat
from pathlib import Path

from agentkeys.client import check_server
from agentkeys.doctor import Finding
from agentkeys.doctor.finding import failed, from_error, ok, warning
from agentkeys.errors import ConfigError, PeerRefused
from agentkeys_shell.doctor.asked import Asked

__all__ = ["check_socket"]

STEP = "socket"
SECONDS = 1.0
_ANOTHER = "set AGENTKEYS_SOCKET to a path of your own"


def check_socket(asked: Asked) -> Finding:
    """Sends nothing to whoever answers."""
    try:
        path = asked.socket
    except ConfigError as problem:
        return failed(STEP, "socket_path_invalid", problem.message, problem.hint)
    try:
        found = path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return ok(STEP, f"{path}: to be made by the first daemon", path=str(path))
    except OSError as problem:
        words = f"the socket {path} cannot be looked at: {problem.strerror}"
        return failed(STEP, "socket_unreachable", words, _ANOTHER)
    return _wrong_kind(path, found, asked.uid) or _listener(path, found)


def _wrong_kind(path: Path, found: os.stat_result, uid: int) -> Finding | None:
    if not stat.S_ISSOCK(found.st_mode):
        words = f"something else than a socket is at {path}"
        hint = "remove it, or set AGENTKEYS_SOCKET to another path"
        return failed(STEP, "socket_not_a_socket", words, hint, path=str(path))
    if found.st_uid != uid:
        words = f"the socket {path} belongs to user {found.st_uid}"
        return failed(STEP, "socket_foreign", words, _ANOTHER, path=str(path))
    return None


def _listener(path: Path, found: os.stat_result) -> Finding:
    mode = f"{stat.S_IMODE(found.st_mode):04o}"
    facts = {"path": str(path), "mode": mode}
    try:
        if not _answers(path):
            words = f"nobody answers at {path}, as when a daemon was killed"
            return warning(STEP, "socket_stale", words, "run: agentkeys daemon start", **facts)
    except PeerRefused as problem:
        return from_error(STEP, problem, **facts)
    except OSError as problem:
        words = f"the socket {path} cannot be used: {problem.strerror}"
        return failed(STEP, "socket_unreachable", words, _ANOTHER, **facts)
    if found.st_mode & 0o077:
        words = f"the socket {path} is open to other users (mode {mode})"
        return warning(STEP, "socket_open", words, f"run: chmod 600 {path}", **facts)
    return ok(STEP, f"{path}, mode {mode}", **facts)


def _answers(path: Path) -> bool:
    """Raises PeerRefused where it is another user, and OSError."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(SECONDS)
        try:
            probe.connect(str(path))
            check_server(probe, str(path))
        except ConnectionRefusedError:
            return False
        except (BlockingIOError, TimeoutError):
            return True  # too busy to take one more: whoever it is, it lives
    return True
