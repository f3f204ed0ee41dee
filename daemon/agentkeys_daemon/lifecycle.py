"""From start to end: one daemon per socket, private files, a log, and an open vault."""

from __future__ import annotations

import asyncio
import logging
import os
import resource
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING

from agentkeys.errors import AgentkeysError
from agentkeys.hardening import Hardening
from agentkeys.paths import Paths
from agentkeys.private_files import private_folder
from agentkeys.vault import open_vault
from agentkeys_daemon.activation import HandedSocket
from agentkeys_daemon.handover import Handover, Taken
from agentkeys_daemon.listening import BACKLOG, only_one
from agentkeys_daemon.log import open_log
from agentkeys_daemon.settings import log_level, vault_mode

if TYPE_CHECKING:
    from agentkeys_daemon.serving import Surroundings

__all__ = ["log_failure", "run_daemon"]

log = logging.getLogger("agentkeys.daemon")

DESCRIPTORS = 2 * BACKLOG


def run_daemon(
    environ: Mapping[str, str],
    *,
    ready: Callable[[], None],
    hardening: Hardening,
    handed: HandedSocket | None = None,
    taken: Taken | None = None,
) -> Handover | None:
    """Serves until a signal, a shutdown request or its idle time; calls `ready` once it listens.

    It listens on the socket that was `handed` to it, or that it has `taken` over from an earlier
    daemon, or else on one of its own. `hardening` is what this process was granted. Returns what
    the next one is to take over, when it is to be restarted. Raises AlreadyRunning, DaemonError,
    ConfigError.
    """
    if handed:
        environ = {**environ, "AGENTKEYS_SOCKET": str(handed.path)}
    os.umask(0o077)
    _take_connections()
    paths = Paths.from_environment(environ)
    private_folder(paths.socket.parent)
    private_folder(paths.state)
    level = log_level(environ)
    lock = only_one(paths.socket)
    try:
        with open_log(paths.log, level=level):
            for name, because in hardening.why_not.items():
                log.info("not %s: %s", name.replace("_", " "), because)
            return asyncio.run(_live(environ, paths, ready, hardening, handed, taken))
    finally:
        lock.release()


def log_failure(environ: Mapping[str, str], problem: AgentkeysError) -> None:
    """Writes down why no daemon could begin, as far as that is possible."""
    with suppress(AgentkeysError), open_log(Paths.from_environment(environ).log):
        log.error("%s", problem.message)


def _take_connections() -> None:
    # Whoever waits for a mint holds a connection; the usual limit is for programs that use select.
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = DESCRIPTORS if hard == resource.RLIM_INFINITY else min(DESCRIPTORS, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        # Under a unit of somebody's own it may be forbidden; fewer can wait then.
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


async def _live(
    environ: Mapping[str, str],
    paths: Paths,
    ready: Callable[[], None],
    hardening: Hardening,
    handed: HandedSocket | None,
    taken: Taken | None,
) -> Handover | None:
    # Both take a tenth of a second, one in the keyring's helper: whoever has started us waits.
    opening = asyncio.create_task(
        open_vault(
            environment=environ, mode=vault_mode(environ), earlier=taken.blobs if taken else None
        )
    )
    surroundings, serve = await asyncio.to_thread(_load_server)
    return await serve(
        surroundings(
            environ=environ,
            paths=paths,
            handed=handed,
            taken=taken,
            opened=await opening,
            ready=ready,
            hardening=hardening,
        )
    )


def _load_server() -> tuple[
    type[Surroundings], Callable[[Surroundings], Awaitable[Handover | None]]
]:
    from agentkeys_daemon.serving import Surroundings, serve  # noqa: PLC0415 - see above

    return Surroundings, serve
