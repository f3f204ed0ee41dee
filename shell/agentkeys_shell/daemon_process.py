"""Which process is the daemon of a socket, certain enough to send it a signal."""

from __future__ import annotations

import os
import signal
import socket
import sys
from contextlib import suppress
from pathlib import Path

from agentkeys.processes import ProcessId

__all__ = ["daemon_on_record", "terminate"]

_SOL_LOCAL = 0
_LOCAL_PEERPID = 2


def terminate(process: ProcessId) -> None:
    """Tells it to end; where it has ended, nobody else is told."""
    # The request before this may have taken half a minute, and pids are used again.
    if process.is_alive:
        with suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGTERM)


def daemon_on_record(path: str) -> ProcessId | None:
    """Whom the daemon's own pid file names, if it is certain to be the daemon of `path`."""
    pid = _recorded_pid(path)
    process = ProcessId.of(pid) if pid else None
    return process if process and _is_daemon(process.pid, path) else None


def _is_daemon(pid: int, path: str) -> bool:
    if sys.platform == "darwin":
        # Nobody else listens there: launchd starts a daemon, and leaves the socket to it.
        return pid == _listening_pid(path)
    # Who listens is no sign: systemd does, for the daemon, and a record from before a reboot may
    # happen to have its number.
    return _holds(pid, f"{path}.lock")


def _holds(pid: int, lock: str) -> bool:
    """Whether process `pid` has locked the file `lock`, as Linux tells of one's own processes."""
    try:
        locked = Path(lock).stat()
        descriptors = list(Path(f"/proc/{pid}/fd").iterdir())
    except OSError:
        return False
    return any(_has_locked(descriptor, locked) for descriptor in descriptors)


def _has_locked(descriptor: Path, file: os.stat_result) -> bool:
    told = descriptor.parent.with_name("fdinfo") / descriptor.name
    try:
        if not os.path.samestat(descriptor.stat(), file):
            return False
        lines = told.read_text(encoding="ascii").splitlines()
    except OSError:  # closed meanwhile
        return False
    # Whoever merely tries to get the lock has the file open as well.
    return any(line.startswith("lock:") and " FLOCK " in line for line in lines)


def _listening_pid(path: str) -> int | None:
    """Who answers at `path`, as macOS tells it; None where nobody does."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(1)
        try:
            connection.connect(path)
            told = connection.getsockopt(_SOL_LOCAL, _LOCAL_PEERPID, 4)
        except OSError:
            return None
    return int.from_bytes(told, sys.byteorder) or None


def _recorded_pid(path: str) -> int | None:
    """Whom the daemon's own pid file names."""
    try:
        pid = int(Path(f"{path}.pid").read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None
    # Others than these would mean whole groups of processes.
    return pid if pid > 1 else None
