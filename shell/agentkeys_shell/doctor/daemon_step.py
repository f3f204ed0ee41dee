"""Whether a daemon answers, or can be started, and whether it is one of this version."""

from __future__ import annotations

import json
import time
from typing import Any

from agentkeys import __version__
from agentkeys.client import request
from agentkeys.client_failures import refusal
from agentkeys.clock import Clock, parse_utc
from agentkeys.doctor import Finding
from agentkeys.doctor.finding import failed, from_error, ok, warning
from agentkeys.errors import AgentkeysError, DaemonNotRunning, DaemonTimeout, ProtocolError
from agentkeys.starter import ensure_daemon
from agentkeys_shell.daemon_process import daemon_on_record, is_stopped
from agentkeys_shell.doctor.asked import Asked
from agentkeys_shell.durations import in_words

__all__ = ["check_daemon"]

STEP = "daemon"
PATIENCE = 5.0
"""Seconds for a daemon that is there: it answers this from memory, in a millisecond."""
_RESTART = "run: agentkeys daemon restart"


def check_daemon(asked: Asked, clock: Clock) -> Finding:
    """Starts one where there is none, as every command does."""
    try:
        health, is_new = _reach(asked)
    except DaemonTimeout:
        return _silent(asked)
    except ProtocolError as problem:
        code = "daemon_garbled" if problem.retryable else "daemon_protocol"
        return failed(STEP, code, problem.message, problem.hint)
    except AgentkeysError as problem:
        return from_error(STEP, problem)
    return _finding(health, is_new=is_new, clock=clock)


def _silent(asked: Asked) -> Finding:
    """It took a connection and no more: somebody has stopped it, or it hangs."""
    process = daemon_on_record(str(asked.socket))
    if process and is_stopped(process.pid):
        return failed(
            STEP,
            "daemon_stopped",
            f"the daemon, pid {process.pid}, was stopped by a signal and answers nobody",
            f"run: kill -CONT {process.pid}",
            pid=process.pid,
        )
    return failed(
        STEP,
        "daemon_stuck",
        f"the daemon took a connection, and then did not answer for {PATIENCE:.0f} seconds",
        _RESTART,
        pid=process and process.pid,
    )


def _reach(asked: Asked) -> tuple[dict[str, Any], bool]:
    """Its health, and whether it was started for this; raises AgentkeysError."""
    try:
        return _health(asked), False
    except DaemonNotRunning:
        ensure_daemon(asked.environ)
        return _health(asked), True


def _health(asked: Asked) -> dict[str, Any]:
    end = time.monotonic() + PATIENCE
    answer = request("GET", "/v1/health", environ=asked.environ, deadline=end)
    if answer.status != 200:
        raise refusal(answer.status, answer.body)
    health: dict[str, Any] = json.loads(answer.body)
    return health


def _finding(health: dict[str, Any], *, is_new: bool, clock: Clock) -> Finding:
    theirs = str(health.get("version"))
    facts = {name: health.get(name) for name in ("version", "protocol", "pid", "started_at")}
    facts["started_now"] = is_new
    if theirs != __version__:
        return warning(
            STEP,
            "daemon_version",
            f"the daemon is of version {theirs}, and this command of {__version__}",
            _RESTART,
            **facts,
        )
    age = clock.now() - parse_utc(health["started_at"])
    since = "started just now" if is_new else f"up {in_words(max(age, age - age))}"
    return ok(STEP, f"version {theirs}, pid {health['pid']}, {since}", **facts)
