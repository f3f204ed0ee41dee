"""Ends the daemon, whichever version it is of."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping

from agentkeys.errors import DaemonError, DaemonTimeout, ProtocolError
from agentkeys.processes import ProcessId
from agentkeys.socket_path import socket_path
from agentkeys_shell.daemon import ask_running
from agentkeys_shell.daemon_process import daemon_on_record, terminate
from agentkeys_shell.sandbox.processes import wait_until

__all__ = ["stop_daemon"]

STOP_SECONDS = 15.0


def stop_daemon(environ: Mapping[str, str], *, force: bool = False) -> bool:
    """Whether there was a daemon to stop; returns when it is gone.

    While programs run with its credentials it is only stopped by `force`.

    One that does not understand us, as after an upgrade, or that hangs, gets a signal: if it is
    certain that the process on record is the daemon. Raises DaemonError and its leaves.
    """
    path = socket_path(environ, os.getuid())
    daemon = daemon_on_record(path)
    try:
        body = json.dumps({"force": force}).encode()
        response = ask_running("POST", "/v1/shutdown", environ=environ, body=body)
    except (ProtocolError, DaemonTimeout) as problem:
        if daemon is None:
            raise _stranger(path) from problem
        terminate(daemon)
    else:
        if response:
            daemon = ProcessId.of(int(json.loads(response.body)["pid"]))
        elif daemon is None:
            return False
        else:
            # It is ending already, which a signal does not change, or its socket was removed.
            terminate(daemon)
    # A daemon that has ended counts as gone even where nobody waits for orphans, as in a container.
    if daemon and not wait_until(lambda: not daemon.is_alive, seconds=STOP_SECONDS):
        raise DaemonTimeout(
            f"the daemon {daemon.pid} does not end", hint=f"run: kill -9 {daemon.pid}"
        )
    return True


def _stranger(path: str) -> DaemonError:
    # No pid: whoever listens may be the service manager of the whole session.
    return DaemonError(
        f"what answers at {path} does not understand, and is not the daemon on record",
        hint=f"end whatever holds {path}.lock, or set AGENTKEYS_SOCKET to another path",
    )
