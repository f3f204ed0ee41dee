"""From start to end: one daemon per socket, a private socket, a clean end on a signal."""

from __future__ import annotations

import asyncio
import logging
import os
import resource
import signal
import socket
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Literal

import filelock

from agentkeys.audit import FileLedger
from agentkeys.clock import SystemClock
from agentkeys.config import ConfigSource
from agentkeys.errors import AgentkeysError, ConfigError, DaemonError
from agentkeys.paths import Paths
from agentkeys.private_files import private_folder
from agentkeys.transport import Transport
from agentkeys.vault import open_vault
from agentkeys_daemon.app import App
from agentkeys_daemon.handlers import Handlers
from agentkeys_daemon.log import start_log
from agentkeys_daemon.server import BACKLOG, DaemonServer
from agentkeys_daemon.status import StatusView

__all__ = ["AlreadyRunning", "run_daemon"]

HANDOVER_SECONDS = 5
"""How long a daemon that is ending may take to let go of the lock."""

log = logging.getLogger("agentkeys.daemon")


class AlreadyRunning(DaemonError):
    code = "daemon_already_running"


def run_daemon(environ: Mapping[str, str], *, ready: Callable[[], None]) -> None:
    """Serves until SIGTERM, SIGINT or a shutdown request; calls `ready` once it listens.

    Raises AlreadyRunning, DaemonError, ConfigError.
    """
    os.umask(0o077)
    # A core file would hold every secret that we do.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    paths = Paths.from_environment(environ)
    private_folder(paths.socket.parent)
    private_folder(paths.state)
    lock = _only_one(paths.socket)
    handler = start_log(paths.log)
    try:
        asyncio.run(_serve(environ, paths, ready))
    finally:
        logging.getLogger("agentkeys").removeHandler(handler)
        handler.close()
        lock.release()


def _only_one(path: Path) -> filelock.BaseFileLock:
    """The lock that one daemon per socket holds for as long as it lives; raises AlreadyRunning."""
    lock = filelock.FileLock(f"{path}.lock", mode=0o600)
    try:
        lock.acquire(timeout=HANDOVER_SECONDS)
    except filelock.Timeout:
        if path.exists():
            raise AlreadyRunning(
                f"a daemon already serves {path}", hint="run: agentkeys daemon restart"
            ) from None
        raise DaemonError(
            f"a daemon runs, but somebody has removed its socket {path}",
            hint=f"end it, for example with: pkill -u {os.getuid()} -f agentkeys_daemon",
        ) from None
    return lock


async def _serve(environ: Mapping[str, str], paths: Paths, ready: Callable[[], None]) -> None:
    app = await _make_app(environ, paths)
    view = StatusView(app=app, started_at=app.clock.now(), socket=str(paths.socket))
    stop = asyncio.Event()
    handlers = Handlers(app=app, view=view, environ=environ, stop=stop.set)
    server = DaemonServer(handlers, until=stop)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        loop.add_signal_handler(number, stop.set)
    listener = _listen(paths.socket)
    preload = loop.create_task(_preload(app))
    log.info("serving %s, %s", paths.socket, app.opened.detail)
    ready()
    try:
        await server.serve(sockets=[listener])
    finally:
        paths.socket.unlink(missing_ok=True)
        preload.cancel()
        await app.aclose()
        log.info("ended")


async def _make_app(environ: Mapping[str, str], paths: Paths) -> App:
    clock = SystemClock()
    return App(
        configuration=ConfigSource(environ=environ, paths=paths),
        opened=await open_vault(environment=environ, mode=_vault_mode(environ)),
        transport=Transport(clock=clock),
        ledger=FileLedger(path=paths.ledger, clock=clock),
        clock=clock,
        state=paths.state,
    )


def _vault_mode(environ: Mapping[str, str]) -> Literal["auto", "memory"]:
    wanted = environ.get("AGENTKEYS_VAULT") or "auto"
    if wanted not in ("auto", "memory"):
        raise ConfigError(f"AGENTKEYS_VAULT is {wanted!r}", hint="set it to memory, or not at all")
    return "memory" if wanted == "memory" else "auto"


async def _preload(app: App) -> None:
    # What fails here fails again, and is told, when a request needs it.
    with suppress(AgentkeysError):
        await app.preload()


def _listen(path: Path) -> socket.socket:
    """The listening socket, private from birth; whoever holds the lock may replace a stale one.

    Raises DaemonError.
    """
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        path.unlink(missing_ok=True)
        listener.bind(str(path))
        path.chmod(0o600)  # it is the owner's alone already; the umask leaves a useless x
        listener.listen(BACKLOG)
    except OSError as problem:
        listener.close()
        raise DaemonError(
            f"the socket {path} cannot be made: {problem.strerror or problem}",
            hint="remove what is there, or set AGENTKEYS_SOCKET to another path",
        ) from problem
    listener.setblocking(False)
    return listener
