"""From start to end: one daemon per socket, a private socket, a clean end on a signal."""

from __future__ import annotations

import asyncio
import logging
import os
import resource
import signal
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Literal

from agentkeys.audit import FileLedger
from agentkeys.clock import SystemClock
from agentkeys.config import ConfigSource
from agentkeys.errors import AgentkeysError, ConfigError
from agentkeys.paths import Paths
from agentkeys.private_files import private_folder
from agentkeys.transport import Transport
from agentkeys.vault import open_vault
from agentkeys_daemon.app import App
from agentkeys_daemon.handlers import Handlers
from agentkeys_daemon.listening import OwnSocket, only_one
from agentkeys_daemon.log import start_log
from agentkeys_daemon.server import DaemonServer
from agentkeys_daemon.status import StatusView

__all__ = ["run_daemon"]

log = logging.getLogger("agentkeys.daemon")


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
    lock = only_one(paths.socket)
    handler = start_log(paths.log)
    try:
        asyncio.run(_serve(environ, paths, ready))
    finally:
        logging.getLogger("agentkeys").removeHandler(handler)
        handler.close()
        lock.release()


async def _serve(environ: Mapping[str, str], paths: Paths, ready: Callable[[], None]) -> None:
    app = await _make_app(environ, paths)
    view = StatusView(app=app, started_at=app.clock.now(), socket=str(paths.socket))
    stop = asyncio.Event()
    handlers = Handlers(app=app, view=view, environ=environ, stop=stop.set)
    server = DaemonServer(handlers, until=stop)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        loop.add_signal_handler(number, stop.set)
    listener = OwnSocket(paths.socket)
    preload = loop.create_task(_preload(app))
    log.info("serving %s, %s", paths.socket, app.opened.detail)
    ready()
    try:
        await server.serve(sockets=[listener.socket])
    finally:
        listener.remove()
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
