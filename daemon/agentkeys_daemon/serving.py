"""The daemon at work: what listens, what goes on by itself, and the end of both."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta

from agentkeys.audit import FileLedger
from agentkeys.clock import SystemClock
from agentkeys.config import ConfigSource, SandboxIdentity
from agentkeys.errors import AgentkeysError
from agentkeys.keeper import Keeper
from agentkeys.paths import Paths
from agentkeys.transport import Transport
from agentkeys.vault import OpenedVault
from agentkeys_daemon.activation import HandedSocket
from agentkeys_daemon.app import App
from agentkeys_daemon.handlers import Handlers
from agentkeys_daemon.idle import IdleExit
from agentkeys_daemon.listening import OwnSocket
from agentkeys_daemon.memory import keep_what_is_loaded
from agentkeys_daemon.process_watch import process_watch
from agentkeys_daemon.refresher import Refresher
from agentkeys_daemon.server import DaemonServer
from agentkeys_daemon.status import StatusView

__all__ = ["Surroundings", "serve"]

log = logging.getLogger("agentkeys.daemon")

REACHABLE_SECONDS = 15
"""Between two looks at whether clients can still find the socket."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What a daemon finds when it begins."""

    environ: Mapping[str, str]
    paths: Paths
    opened: OpenedVault
    handed: HandedSocket | None
    """A socket that somebody else holds; None where it has to make one of its own."""
    ready: Callable[[], None]
    """To be called once it listens."""


async def serve(around: Surroundings) -> None:
    """Serves until a signal, a shutdown request or the idle time."""
    app = _make_app(around)
    path = around.paths.socket
    view = StatusView(app=app, started_at=app.clock.now(), socket=str(path))
    stop = asyncio.Event()
    handlers = Handlers(app=app, view=view, environ=around.environ, stop=stop.set)
    idle = IdleExit(
        limit=lambda: _idle_limit(app),
        is_busy=lambda: app.is_minting or bool(app.runs.live) or _is_login_here_alone(app),
    )
    listener = around.handed or OwnSocket(path)
    server = DaemonServer(idle.watching(handlers), until=stop, leave=listener.remove)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        loop.add_signal_handler(number, stop.set)
    refresher = Refresher(refresh=app.refresh, changed=app.changed)
    work = [_preload(app), refresher.run(), _end_idle(idle, stop)]
    if isinstance(listener, OwnSocket):
        work.append(_end_unreachable(listener, app, stop))
    background = [loop.create_task(task) for task in work]
    log.info("serving %s, %s", path, app.opened.detail)
    app.runs.restore()
    keep_what_is_loaded()
    around.ready()
    try:
        await server.serve(sockets=[listener.socket])
    finally:
        listener.remove()
        for task in background:
            task.cancel()
        await app.aclose()
        log.info("ended")


def _make_app(around: Surroundings) -> App:
    clock = SystemClock()
    ledger = FileLedger(path=around.paths.ledger, clock=clock)
    ledger.mend()
    return App(
        configuration=ConfigSource(environ=around.environ, paths=around.paths),
        opened=around.opened,
        transport=Transport(clock=clock),
        ledger=ledger,
        clock=clock,
        paths=around.paths,
        watch=process_watch(),
    )


async def _end_idle(idle: IdleExit, stop: asyncio.Event) -> None:
    limit = await idle.wait()
    log.info("nobody has asked for %s, ending", limit)
    stop.set()


async def _end_unreachable(listener: OwnSocket, app: App, stop: asyncio.Event) -> None:
    """Nobody finds us without our socket, as when a logout clears the folder that it was in.

    Nobody but the programs that have found the endpoint.
    """
    while listener.is_there or app.runs.live:  # noqa: ASYNC110 - a file has no event
        await asyncio.sleep(REACHABLE_SECONDS)
    log.info("somebody has removed the socket, ending")
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
