"""Which process is the daemon of a socket, certain enough to send it a signal."""

from __future__ import annotations

import os
import signal
import socket
import sys
from contextlib import suppress
from pathlib import Path

from agentkeys.processes import ProcessId

__all__ = ["daemon_on_record", "is_stopped", "kill", "resume", "terminate"]

_LOCKS = Path("/proc/locks")
_SOL_LOCAL = 0
_LOCAL_PEERPID = 2


def terminate(process: ProcessId) -> None:
    """Tells it to end; where it has ended, nobody else is told."""
    _signal(process, signal.SIGTERM)


def resume(process: ProcessId) -> None:
    """Lets it go on where somebody has stopped it; one that runs does not notice."""
    _signal(process, signal.SIGCONT)


def kill(process: ProcessId) -> None:
    """Ends it without asking: it gets to do nothing any more."""
    _signal(process, signal.SIGKILL)


def is_stopped(pid: int) -> bool:
    """By SIGSTOP, Ctrl-Z or a debugger, as Linux tells of any process; elsewhere always no."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return False
    # The second field is the program's name in brackets, and may hold brackets and spaces.
    return stat.rpartition(b")")[2].split()[0] in (b"T", b"t")


def _signal(process: ProcessId, number: signal.Signals) -> None:
    # A request before this may have taken seconds, and pids are used again.
    if process.is_alive:
        with suppress(ProcessLookupError):
            os.kill(process.pid, number)


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
    """Whether process `pid` has locked the file `lock`.

    Linux tells everybody of all locks. Of the daemon's own descriptors it tells nobody: /proc keeps
    a process that cannot be dumped even from its own user.
    """
    try:
        inode = Path(lock).stat().st_ino
        lines = _LOCKS.read_text(encoding="ascii").splitlines()
    except OSError:
        return False
    return any(_is_lock_of(line.split(), pid, inode) for line in lines)


def _is_lock_of(fields: list[str], pid: int, inode: int) -> bool:
    """One line of /proc/locks: `1: FLOCK  ADVISORY  WRITE 4711 00:1b:815 0 EOF`.

    Whoever still waits for a lock has an arrow for a second field.
    """
    # Of the file only its number: some file systems have two devices, and stat knows the other.
    return len(fields) > 5 and (fields[1], fields[4], fields[5].rpartition(":")[2]) == (
        "FLOCK",
        str(pid),
        str(inode),
    )


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
