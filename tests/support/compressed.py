"""A daemon's App in a time that passes as fast as a test likes, with real HTTP to the outside."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from agentkeys.config import ConfigSource
from agentkeys.errors import AgentkeysError
from agentkeys.leases import Lease
from agentkeys.paths import Paths
from agentkeys.transport import Transport
from agentkeys.vault import open_vault
from agentkeys_daemon.app import App
from agentkeys_daemon.peers import itself
from agentkeys_daemon.refresher import Refresher
from agentkeys_daemon.watches import process_watch
from tests.fakes.ledger import MemoryLedger
from tests.support.hasty_loop import HastyLoop
from tests.support.moved_clock import MovedClock
from tests.support.place import render_toml

__all__ = ["CompressedDaemon", "Rows", "compressed_daemon"]

STEP = 1.0
"""Seconds that pass at once."""
GRACE = 0.05
"""Real seconds after each step for what takes real time: loopback and threads."""


class Rows(MemoryLedger):
    """A ledger in memory."""

    def mints(self, profile: str) -> int:
        """How many leases of `profile` were minted."""
        mints = (row for row in self.records if row.event == "mint" and row.outcome == "ok")
        return sum(row.profile == profile for row in mints)


class CompressedDaemon:
    """An App with its refresher; time passes in `spend` alone."""

    def __init__(self, app: App, *, clock: MovedClock, rows: Rows) -> None:
        self.app = app
        self.clock = clock
        self.rows = rows

    async def log_in(self, session: str) -> None:
        identity = self.app.config.identities["me"]
        document = {"session_jwt": session, "url": identity.url}
        await self.app.logins.log_in(identity, document, itself())

    def needs_login(self) -> bool:
        return self.app.identities.keeper(self.app.config.identities["me"]).is_refused

    def left(self, profile: str) -> timedelta:
        """Of the lease that is held for `profile`; zero or less where none is good."""
        held = self.held(profile)
        return held.remaining(self.clock) if held else timedelta(0)

    def held(self, profile: str) -> Lease | None:
        return self.app.leases.held(self.app.leases.terms(self.app.config.profiles[profile]))

    def ask(self, profile: str) -> asyncio.Task[Lease]:
        """A request, which time has to pass for."""
        credentials = self.app.credentials(self.app.config.profiles[profile], itself())
        return asyncio.get_running_loop().create_task(credentials)

    async def told(self, profile: str) -> Lease | AgentkeysError:
        """What a request comes to, however long that takes."""
        asked = self.ask(profile)
        while not asked.done():
            await self.spend(STEP)
        problem = asked.exception()
        assert problem is None or isinstance(problem, AgentkeysError), problem
        return problem or asked.result()

    async def spend(self, seconds: float) -> None:
        """Lets time pass, and everything happen that is to happen meanwhile."""
        loop = asyncio.get_running_loop()
        assert isinstance(loop, HastyLoop)
        while seconds > 0:
            step = min(STEP, seconds)
            await self._settle()
            self.clock.move(timedelta(seconds=step))
            loop.skip(step)
            seconds -= step
        await self._settle()

    async def _settle(self) -> None:
        for _ in range(5):
            await asyncio.sleep(0)  # what was due happens, and what that has set off
        end = time.monotonic() + GRACE
        # Not for an event: that would be one more than what is under test has.
        while self.app.is_minting and time.monotonic() < end:  # noqa: ASYNC110
            await asyncio.sleep(0.001)


@asynccontextmanager
async def compressed_daemon(
    folder: Path, tables: Mapping[str, Any], *, clock: MovedClock
) -> AsyncIterator[CompressedDaemon]:
    """Runs in a HastyLoop while the block does, with the configuration `tables`; keeps nothing."""
    config = folder / "config.toml"
    config.write_text(render_toml(dict(tables)), encoding="utf-8")
    environ = {"AGENTKEYS_CONFIG": str(config), "AGENTKEYS_STATE_DIR": str(folder / "state")}
    environ["AGENTKEYS_SOCKET"] = str(folder / "daemon.sock")
    paths = Paths.from_environment(environ)
    rows = Rows()
    app = App(
        configuration=ConfigSource(environ=environ, paths=paths),
        opened=await open_vault(environment={}, mode="memory"),
        transport=Transport(clock=clock),
        ledger=rows,
        clock=clock,
        paths=paths,
        watch=process_watch(),
        environ=environ,
    )
    refresher = Refresher(refresh=app.refresh, changed=app.changed)
    refreshing = asyncio.get_running_loop().create_task(refresher.run())
    try:
        yield CompressedDaemon(app, clock=clock, rows=rows)
        assert not refreshing.done()
    finally:
        refreshing.cancel()
        await app.aclose()
