"""Puts a daemon with this command's settings in the place of the one that runs."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping

from agentkeys.errors import DaemonError, DaemonTimeout, ProtocolError, RemoteError
from agentkeys.protocol import CLIENT_DEADLINE, settings_of
from agentkeys.socket_path import socket_path
from agentkeys.starter import check_place, daemon_environment, ensure_daemon
from agentkeys_shell.daemon import ask_running
from agentkeys_shell.stopping import Tell, answer_by, rouse_daemon, stop_daemon

__all__ = ["restart_daemon"]


def restart_daemon(environ: Mapping[str, str], *, tell: Tell) -> None:
    """Returns when the new one answers; raises DaemonError and its leaves, ConfigError.

    One that runs begins anew in its own process and keeps its sockets and runs. Another version's,
    or one that hangs, is ended, and a new one started.
    """
    # Before the one that runs is gone, and with it what it may hold in memory alone.
    check_place(environ)
    if not _begins_anew(environ, tell):
        stop_daemon(environ, tell=tell, force=True)
    ensure_daemon(environ)


def _begins_anew(environ: Mapping[str, str], tell: Tell) -> bool:
    settings = daemon_environment(environ) | settings_of(environ, os.getcwd)
    body = json.dumps({"environment": settings}).encode()
    end = answer_by(rouse_daemon(socket_path(environ, os.getuid()), tell))
    try:
        before = ask_running("POST", "/v1/restart", environ=environ, body=body, deadline=end)
        if before is None:
            return False
        _await_another(json.loads(before.body).get("instance"), environ)
    except RemoteError as problem:
        if problem.code != ProtocolError.code:  # it knows of no restart
            raise
        return False
    except (ProtocolError, DaemonTimeout):
        return False
    return True


def _await_another(before: object, environ: Mapping[str, str]) -> None:
    """Returns when one answers that is not `before`; who connects meanwhile waits in the queue."""
    end = time.monotonic() + CLIENT_DEADLINE
    while time.monotonic() < end:
        answer = ask_running("GET", "/v1/health", environ=environ, deadline=end)
        if answer is None:
            raise DaemonError("the daemon did not come back", hint="run: agentkeys daemon logs")
        if json.loads(answer.body).get("instance") != before:
            return
        time.sleep(0.02)
    raise DaemonTimeout("the daemon takes too long to restart", hint="run: agentkeys daemon logs")
