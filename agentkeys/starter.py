"""Starts the daemon where there is none: one client does it, the others wait."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress

import filelock

from agentkeys.client import Response, request
from agentkeys.errors import AgentkeysError, ConfigError, DaemonNotRunning, DaemonTimeout
from agentkeys.interpreter import own_module
from agentkeys.paths import Paths
from agentkeys.private_files import private_folder
from agentkeys.protocol import CLIENT_DEADLINE, settings_of

__all__ = ["check_outside_runs", "check_place", "daemon_environment", "ensure_daemon"]

FIRST_PAUSE = 0.05
LONGEST_PAUSE = 0.4
"""Seconds between two looks; hundreds that look more often would keep the daemon from starting."""

_OUTSIDE = "run outside of it: agentkeys daemon start"

_KEPT = frozenset(
    {
        "PATH", "HOME", "USER", "LOGNAME", "LANG", "TZ", "DBUS_SESSION_BUS_ADDRESS",
        "SSL_CERT_FILE", "SSL_CERT_DIR",
        "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY",
        "http_proxy", "https_proxy", "all_proxy", "no_proxy",
        "PYTHON_KEYRING_BACKEND",
        "AGENTKEYS_CONFIG", "AGENTKEYS_STATE_DIR", "AGENTKEYS_VAULT", "AGENTKEYS_SOCKET",
        "AGENTKEYS_BROKER_URL", "AGENTKEYS_DATA_ROLE_ARN", "AGENTKEYS_LOG",
    }
)  # fmt: skip


def daemon_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """What a daemon gets to see of a client's environment; no AWS_* is among it."""
    return {
        name: value
        for name, value in environ.items()
        if name in _KEPT or name.startswith(("XDG_", "LC_", "AGENTKEYS_CLIENT_SECRET"))
    }


def ensure_daemon(environ: Mapping[str, str], *, deadline: float | None = None) -> None:
    """Returns once a daemon answers. Raises DaemonNotRunning with the reason if none can start.

    Within a run none is started: it would be the run's own, and hold what the run must not reach.

    Whoever gets the lock starts it. The others go on as soon as it answers, rather than get the
    lock one after the other: there may be hundreds of them.
    """
    end = deadline if deadline is not None else time.monotonic() + CLIENT_DEADLINE
    if environ.get("AGENTKEYS_RUN"):
        if _answers(environ, end):
            return
        raise DaemonNotRunning(
            "no daemon runs, and a program inside a run starts none",
            hint=_OUTSIDE,
        )
    paths = check_place(environ)
    lock = filelock.FileLock(paths.socket.parent / "start.lock", mode=0o600)
    pause = FIRST_PAUSE
    while True:
        try:
            with lock.acquire(timeout=0):
                if not _answers(environ, end):
                    _start(paths, environ, end)
                return
        except filelock.Timeout:
            if time.monotonic() > end:
                raise _too_long() from None
            if _answers(environ, end):
                return
        except OSError as problem:
            raise _could_not_start(
                f"{lock.lock_file} cannot be locked: {problem.strerror or problem}",
                "make room, or remove what is there",
            ) from problem
        time.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE)


def check_outside_runs(environ: Mapping[str, str]) -> None:
    """Raises DaemonNotRunning for a program that is to be a daemon and is inside a run."""
    if environ.get("AGENTKEYS_RUN"):
        raise DaemonNotRunning("no daemon is started from inside a run", hint=_OUTSIDE)


def check_place(environ: Mapping[str, str]) -> Paths:
    """Where a daemon would live; raises DaemonNotRunning where none could."""
    paths = Paths.from_environment(environ)
    try:
        for folder in (paths.socket.parent, paths.state):
            private_folder(folder)
    except ConfigError as problem:
        raise _could_not_start(problem.message, problem.hint) from problem
    return paths


def _answers(environ: Mapping[str, str], end: float) -> bool:
    try:
        _health(environ, end)
    except DaemonNotRunning:
        return False
    return True


def _health(environ: Mapping[str, str], end: float) -> Response:
    return request("GET", "/v1/health", environ=environ, deadline=end)


def _start(paths: Paths, environ: Mapping[str, str], end: float) -> None:
    """Runs the daemon's own launcher, which returns when the socket listens or says why not."""
    # The daemon leaves our folder, so what is relative to it has to be spelled out first.
    child = daemon_environment(environ) | settings_of(environ, os.getcwd)
    child["AGENTKEYS_SOCKET"] = str(paths.socket)
    try:
        done = subprocess.run(  # noqa: S603 - our own interpreter and module
            own_module("agentkeys_daemon", "--detach"),
            env=child,
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            timeout=max(0.1, end - time.monotonic()),
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise DaemonTimeout(
            "the daemon did not start in time", hint="run: agentkeys daemon logs"
        ) from None
    if done.returncode != 0:
        raise _failure(done.stderr)


def _too_long() -> DaemonTimeout:
    return DaemonTimeout(
        "another command has been starting the daemon for too long",
        hint="run: agentkeys daemon logs",
    )


def _failure(said: bytes) -> AgentkeysError:
    """The launcher ends with one JSON line; anything else is a crash, kept in the log."""
    with suppress(ValueError, KeyError, TypeError, IndexError):
        error = json.loads(said.splitlines()[-1])
        return _could_not_start(error["message"], str(error["hint"]))
    return DaemonNotRunning("the daemon could not start", hint="run: agentkeys daemon run")


def _could_not_start(why: str, hint: str) -> DaemonNotRunning:
    return DaemonNotRunning(f"the daemon could not start: {why}", hint=hint)
