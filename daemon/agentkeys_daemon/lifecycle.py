"""From start to end: one daemon per socket, a private socket, a clean end on a signal."""

from __future__ import annotations

import asyncio
import logging
import os
import resource
import signal
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import timedelta
from typing import Literal

from agentkeys.audit import FileLedger
from agentkeys.clock import SystemClock
from agentkeys.config import ConfigSource, SandboxIdentity
from agentkeys.errors import AgentkeysError, ConfigError
from agentkeys.keeper import Keeper
from agentkeys.paths import Paths
from agentkeys.private_files import private_folder
from agentkeys.transport import Transport
from agentkeys.vault import open_vault
from agentkeys_daemon.activation import HandedSocket
from agentkeys_daemon.app import App
from agentkeys_daemon.handlers import Handlers
from agentkeys_daemon.idle import IdleExit
from agentkeys_daemon.listening import OwnSocket, only_one
from agentkeys_daemon.log import start_log
from agentkeys_daemon.memory import keep_what_is_loaded
from agentkeys_daemon.refresher import Refresher
from agentkeys_daemon.server import BACKLOG, DaemonServer
from agentkeys_daemon.status import StatusView

__all__ = ["run_daemon"]

log = logging.getLogger("agentkeys.daemon")

DESCRIPTORS = 2 * BACKLOG


def run_daemon(
    environ: Mapping[str, str], *, ready: Callable[[], None], handed: HandedSocket | None = None
) -> None:
    """Serves until a signal, a shutdown request or its idle time; calls `ready` once it listens.

    It listens on the socket that was `handed` to it, or else on one of its own. Raises
    AlreadyRunning, DaemonError, ConfigError.
    """
    if handed:
        environ = {**environ, "AGENTKEYS_SOCKET": str(handed.path)}
    os.umask(0o077)
    _set_limits()
    paths = Paths.from_environment(environ)
    private_folder(paths.socket.parent)
    private_folder(paths.state)
    lock = only_one(paths.socket)
    handler = start_log(paths.log)
    try:
        asyncio.run(_serve(environ, paths, ready, handed))
    finally:
        logging.getLogger("agentkeys").removeHandler(handler)
        handler.close()
        lock.release()


def _set_limits() -> None:
    # A core file would hold every secret that we do.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # Whoever waits for a mint holds a connection; the usual limit is for programs that use select.
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = DESCRIPTORS if hard == resource.RLIM_INFINITY else min(DESCRIPTORS, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


async def _serve(
    environ: Mapping[str, str],
    paths: Paths,
    ready: Callable[[], None],
    handed: HandedSocket | None,
) -> None:
    app = await _make_app(environ, paths)
    view = StatusView(app=app, started_at=app.clock.now(), socket=str(paths.socket))
    stop = asyncio.Event()
    handlers = Handlers(app=app, view=view, environ=environ, stop=stop.set)
    idle = IdleExit(
        limit=lambda: _idle_limit(app),
        is_busy=lambda: app.is_minting or _is_login_here_alone(app),
    )
    listener = handed or OwnSocket(paths.socket)
    server = DaemonServer(idle.watching(handlers), until=stop, leave=listener.remove)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        loop.add_signal_handler(number, stop.set)
    refresher = Refresher(refresh=app.refresh, changed=app.changed)
    work = (_preload(app), refresher.run(), _end_idle(idle, stop))
    background = [loop.create_task(task) for task in work]
    log.info("serving %s, %s", paths.socket, app.opened.detail)
    keep_what_is_loaded()
    ready()
    try:
        await server.serve(sockets=[listener.socket])
    finally:
        listener.remove()
        for task in background:
            task.cancel()
        await app.aclose()
        log.info("ended")


async def _make_app(environ: Mapping[str, str], paths: Paths) -> App:
    clock = SystemClock()
    ledger = FileLedger(path=paths.ledger, clock=clock)
    ledger.mend()
    return App(
        configuration=ConfigSource(environ=environ, paths=paths),
        opened=await open_vault(environment=environ, mode=_vault_mode(environ)),
        transport=Transport(clock=clock),
        ledger=ledger,
        clock=clock,
        state=paths.state,
    )


def _vault_mode(environ: Mapping[str, str]) -> Literal["auto", "memory"]:
    wanted = environ.get("AGENTKEYS_VAULT") or "auto"
    if wanted not in ("auto", "memory"):
        raise ConfigError(f"AGENTKEYS_VAULT is {wanted!r}", hint="set it to memory, or not at all")
    return "memory" if wanted == "memory" else "auto"


async def _end_idle(idle: IdleExit, stop: asyncio.Event) -> None:
    limit = await idle.wait()
    log.info("nobody has asked for %s, ending", limit)
    stop.set()


def _idle_limit(app: App) -> timedelta | None:
    try:
        return app.config.idle_exit
    except AgentkeysError:
        # Told to whoever asks; a daemon that does not know its limit stays.
        return None


def _is_login_here_alone(app: App) -> bool:
    """Whether somebody would have to log in again if the daemon ended."""
    if app.opened.vault.kind != "memory":
        return False
    return any(
        _is_logged_in(app.identities.keeper(live.identity))
        for live in app.identities.live
        if not isinstance(live.identity, SandboxIdentity)  # who logs in unasked
    )


def _is_logged_in(keeper: Keeper) -> bool:
    session = keeper.held_session
    return session is not None and not keeper.is_refused and not keeper.is_over(session)


async def _preload(app: App) -> None:
    # What fails here fails again, and is told, when a request needs it.
    with suppress(AgentkeysError):
        await app.preload()
