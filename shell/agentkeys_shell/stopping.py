"""Ends the daemon, whichever version it is of, and whatever has become of it."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping

from agentkeys.errors import DaemonError, DaemonTimeout, ProtocolError
from agentkeys.processes import ProcessId
from agentkeys.protocol import CLIENT_DEADLINE
from agentkeys.socket_path import socket_path
from agentkeys_shell.daemon import ask_running
from agentkeys_shell.daemon_process import daemon_on_record, is_stopped, kill, resume, terminate
from agentkeys_shell.sandbox.processes import wait_until

__all__ = ["Tell", "answer_by", "rouse_daemon", "stop_daemon"]

STOP_SECONDS = 15.0
HUNG_SECONDS = 5.0
"""For an answer of one that runs, which takes it milliseconds; then for its end by a signal."""

Tell = Callable[[str], None]
"""Says to the user what was done without being asked for."""


def stop_daemon(environ: Mapping[str, str], *, tell: Tell, force: bool = False) -> bool:
    """Whether there was a daemon to stop; returns when it is gone.

    While programs run with its credentials it is only stopped by `force`.

    One that does not understand us, as after an upgrade, or that hangs, gets signals: if it is
    certain that the process on record is the daemon. Raises DaemonError and its leaves.
    """
    path = socket_path(environ, os.getuid())
    daemon = rouse_daemon(path, tell)
    hangs = False
    try:
        body = json.dumps({"force": force}).encode()
        response = ask_running(
            "POST", "/v1/shutdown", environ=environ, body=body, deadline=answer_by(daemon)
        )
    except (ProtocolError, DaemonTimeout) as problem:
        if daemon is None:
            raise _stranger(path) from problem
        hangs = isinstance(problem, DaemonTimeout)
        terminate(daemon)
    else:
        if response:
            daemon = ProcessId.of(int(json.loads(response.body)["pid"]))
        elif daemon is None:
            return False
        else:
            # It is ending already, which a signal does not change, or its socket was removed.
            terminate(daemon)
    if daemon:
        _await_end(daemon, tell, hangs=hangs)
    return True


def rouse_daemon(path: str, tell: Tell) -> ProcessId | None:
    """The daemon of the socket `path`, if that is certain; it goes on where it was stopped."""
    daemon = daemon_on_record(path)
    if daemon and is_stopped(daemon.pid):
        tell(f"the daemon, pid {daemon.pid}, was stopped by a signal: letting it go on")
        resume(daemon)
    return daemon


def answer_by(daemon: ProcessId | None) -> float:
    """Until when, on the monotonic clock, it has to answer; one that is not on record may start."""
    return time.monotonic() + (HUNG_SECONDS if daemon else CLIENT_DEADLINE)


def _await_end(daemon: ProcessId, tell: Tell, *, hangs: bool) -> None:
    # A daemon that has ended counts as gone even where nobody waits for orphans, as in a container.
    if wait_until(lambda: not daemon.is_alive, seconds=HUNG_SECONDS if hangs else STOP_SECONDS):
        return
    if hangs:
        # It heeds nobody, and holds the socket: what it had in memory is lost either way.
        tell(f"the daemon, pid {daemon.pid}, hangs: killing it")
        kill(daemon)
        if wait_until(lambda: not daemon.is_alive, seconds=HUNG_SECONDS):
            return
    raise DaemonTimeout(f"the daemon {daemon.pid} does not end", hint=f"run: kill -9 {daemon.pid}")


def _stranger(path: str) -> DaemonError:
    # No pid: whoever listens may be the service manager of the whole session.
    return DaemonError(
        f"what answers at {path} does not understand, and is not the daemon on record",
        hint=f"end whatever holds {path}.lock, or set AGENTKEYS_SOCKET to another path",
    )
