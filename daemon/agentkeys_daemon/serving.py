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
from agentkeys.config import ConfigSource
from agentkeys.errors import AgentkeysError
from agentkeys.hardening import Hardening
from agentkeys.keeper import Keeper
from agentkeys.paths import Paths
from agentkeys.transport import Transport
from agentkeys.vault import OpenedVault
from agentkeys_daemon.activation import HandedSocket
from agentkeys_daemon.app import App
from agentkeys_daemon.handlers import Handlers
from agentkeys_daemon.handover import Handover, Taken
from agentkeys_daemon.idle import IdleExit
from agentkeys_daemon.listening import OwnSocket
from agentkeys_daemon.memory import keep_what_is_loaded
from agentkeys_daemon.refresher import Refresher
from agentkeys_daemon.request_log import logging_requests
from agentkeys_daemon.runs.documents import parse_run, run_document
from agentkeys_daemon.server import DaemonServer
from agentkeys_daemon.status import StatusView
from agentkeys_daemon.watches import process_watch

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
    taken: Taken | None
    """What an earlier daemon has left in this process, when it was restarted."""
    ready: Callable[[], None]
    """To be called once it listens."""
    hardening: Hardening
    """What this process was granted before it read a secret."""


async def serve(around: Surroundings) -> Handover | None:
    """Serves until a signal, a shutdown request or the idle time.

    Returns what the next daemon is to take over, when it was a request to restart.
    """
    app = _make_app(around)
    path = around.paths.socket
    view = StatusView(
        app=app, started_at=app.clock.now(), socket=str(path), hardening=around.hardening
    )
    stop, ending = asyncio.Event(), _Ending()

    def restart(environ: Mapping[str, str]) -> None:
        ending.next_environ = environ
        stop.set()

    def end() -> None:
        ending.next_environ = None  # also in the midst of a restart
        stop.set()

    handlers = Handlers(app=app, view=view, environ=around.environ, stop=end, restart=restart)
    idle = IdleExit(
        limit=lambda: _idle_limit(app),
        is_busy=lambda: app.is_minting or bool(app.runs.live) or _is_login_here_alone(app),
    )
    listener = _listener(around)
    server = DaemonServer(
        idle.watching(logging_requests(handlers, door="socket")),
        until=stop,
        leave=lambda: ending.leave(listener),
    )
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        loop.add_signal_handler(number, end)
    refresher = Refresher(refresh=app.refresh, changed=app.changed)
    await app.ledger_head.begin()
    work = [_preload(app), app.ledger_head.run(), refresher.run(), _end_idle(idle, stop)]
    if isinstance(listener, OwnSocket):
        work.append(_end_unreachable(listener, app, stop))
    background = [loop.create_task(task) for task in work]
    log.info("serving %s, %s", path, app.opened.detail)
    if around.taken:
        app.runs.restore(around.taken.endpoint, filter(None, map(parse_run, around.taken.runs)))
    else:
        app.runs.restore()
    keep_what_is_loaded()
    around.ready()
    try:
        # The server closes what it was given; the socket itself may have to go on.
        await server.serve(sockets=[listener.socket.dup()])
    finally:
        ending.leave(listener)
        for task in background:
            task.cancel()
        left = await app.aclose()
        log.info("restarting" if ending.next_environ else "ended")
    if ending.next_environ is None:
        if left.waiting:
            log.warning("%d records of the ledger could not be written", len(left.waiting))
        return None
    return Handover(
        environ=ending.environ_after(around, listener),
        listening=listener.socket,
        keeps_socket=isinstance(listener, HandedSocket),
        endpoint=left.endpoint,
        blobs=left.blobs,
        runs=[run_document(run) for run in left.runs],
        waiting=left.waiting,
    )


@dataclass(slots=True)
class _Ending:
    """Whether the end is one."""

    next_environ: Mapping[str, str] | None = None
    """The settings of the daemon that comes next; None where none does."""

    def leave(self, listener: OwnSocket | HandedSocket) -> None:
        """From now on nobody new finds the socket, unless somebody goes on listening."""
        if self.next_environ is None:
            listener.remove()

    def environ_after(
        self, around: Surroundings, listener: OwnSocket | HandedSocket
    ) -> Mapping[str, str]:
        # A service manager's daemon keeps the settings that it was installed with.
        is_managed = isinstance(listener, HandedSocket)
        settings = around.environ if is_managed else self.next_environ
        return {**(settings or {}), "AGENTKEYS_SOCKET": str(around.paths.socket)}


def _listener(around: Surroundings) -> OwnSocket | HandedSocket:
    path, taken = around.paths.socket, around.taken
    if taken and taken.keeps_socket:
        return HandedSocket(taken.listening, path)
    return around.handed or OwnSocket(path, taken=taken.listening if taken else None)


def _make_app(around: Surroundings) -> App:
    clock = SystemClock()
    ledger = FileLedger(
        path=around.paths.ledger,
        clock=clock,
        waiting=around.taken.waiting if around.taken else (),
    )
    ledger.mend()
    return App(
        configuration=ConfigSource(environ=around.environ, paths=around.paths),
        opened=around.opened,
        transport=Transport(clock=clock),
        ledger=ledger,
        clock=clock,
        paths=around.paths,
        watch=process_watch(),
        environ=around.environ,
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
        if live.identity.logs_in
    )


def _is_logged_in(keeper: Keeper) -> bool:
    session = keeper.held_session
    return session is not None and not keeper.is_refused and not keeper.is_over(session)


async def _preload(app: App) -> None:
    # What fails here fails again, and is told, when a request needs it.
    with suppress(AgentkeysError):
        await app.preload()
