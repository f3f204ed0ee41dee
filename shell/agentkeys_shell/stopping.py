"""Ends the daemon, whichever version it is of."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from agentkeys.errors import DaemonError, DaemonTimeout, ProtocolError
from agentkeys.sandbox_record import process_started
from agentkeys.socket_path import socket_path
from agentkeys_shell.daemon import ask_running

__all__ = ["stop_daemon"]

STOP_SECONDS = 15.0
_SOL_LOCAL = 0
_LOCAL_PEERPID = 2


def stop_daemon(environ: Mapping[str, str]) -> bool:
    """Whether there was a daemon to stop; returns when it is gone.

    One that does not understand us, as after an upgrade, or that hangs, gets a signal: if the
    kernel says that the process on record is the one that listens. Raises DaemonError and its
    leaves.
    """
    path = socket_path(environ, os.getuid())
    listening = _listening_pid(path)
    known = listening if listening == _recorded_pid(path) else None
    try:
        response = ask_running("POST", "/v1/shutdown", environ=environ)
    except (ProtocolError, DaemonTimeout) as problem:
        if known is None:
            raise _stranger(path, listening) from problem
        with suppress(ProcessLookupError):
            os.kill(known, signal.SIGTERM)
        pid: int | None = known
    else:
        # Without an answer it may have been ending already.
        pid = int(json.loads(response.body)["pid"]) if response else known
    if pid is None:
        return False
    # A daemon that has ended counts as gone even where nobody waits for orphans, as in a container.
    if not _within(STOP_SECONDS, lambda: process_started(pid) is None):
        raise DaemonTimeout(f"the daemon {pid} does not end", hint=f"run: kill -9 {pid}")
    return True


def _listening_pid(path: str) -> int | None:
    """Who answers at `path`, as the kernel tells it; None where nobody does."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(1)
        try:
            connection.connect(path)
            if sys.platform == "darwin":
                told = connection.getsockopt(_SOL_LOCAL, _LOCAL_PEERPID, 4)
            else:
                told = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 4)
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


def _stranger(path: str, listening: int | None) -> DaemonError:
    return DaemonError(
        f"what answers at {path} does not understand, and is not the daemon on record",
        hint=f"run: kill {listening}" if listening else "set AGENTKEYS_SOCKET to another path",
    )


def _within(seconds: float, is_so: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True
