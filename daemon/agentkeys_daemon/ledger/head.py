"""Keeps the head of the ledger's chain where it is safe, some time after each record."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress

from agentkeys.audit import ChainedLedger, HeadKeeper, Link
from agentkeys.errors import AgentkeysError, AuditError

__all__ = ["LedgerHead"]

log = logging.getLogger("agentkeys.daemon")

PAUSE_SECONDS = 10.0
"""Between two saves, but for what is worth one at once."""
START_SECONDS = 0.25
"""How long a start waits for what is kept; a keyring that takes longer is heard later."""
LAST_SECONDS = 3.0


class LedgerHead:
    """Compares the ledger with the head that is kept, once, and then keeps its own.

    What is kept never becomes one that is behind it, and is never ahead of the disk.
    """

    def __init__(
        self,
        *,
        ledger: ChainedLedger,
        keeper: HeadKeeper,
        settle: Callable[[], Awaitable[None]],
        pause_seconds: float = PAUSE_SECONDS,
    ) -> None:
        """`settle` returns once what was appended is on the disk; raises AuditError."""
        self.kept: Link | None = None
        """What is kept, as far as is known."""
        self.trouble: AgentkeysError | None = None
        """Why it could not be read or saved the last time."""
        self._ledger = ledger
        self._keeper = keeper
        self._settle = settle
        self._pause = pause_seconds
        self._is_compared = False
        self._turn = asyncio.Lock()
        self._news = asyncio.Event()
        self._urgent = asyncio.Event()

    @property
    def kept_in(self) -> str:
        return self._keeper.kind

    def appended(self, at_once: bool) -> None:
        """There is a record more, and whether its place in the chain is to be kept at once."""
        self._news.set()
        if at_once:
            self._urgent.set()

    async def begin(self) -> None:
        """Compares, or gives up soon: `run` goes on with it."""
        try:
            async with asyncio.timeout(START_SECONDS):
                await self.save()
        except TimeoutError:
            self.appended(at_once=True)

    async def run(self) -> None:
        """Saves for as long as it is not cancelled."""
        while True:
            await self._news.wait()
            with suppress(TimeoutError):
                async with asyncio.timeout(self._pause):
                    await self._urgent.wait()
            self._urgent.clear()
            await self.save()

    async def save(self) -> None:
        """Keeps the present head; `trouble` tells why not."""
        async with self._turn:
            self._news.clear()
            try:
                await self._save()
            except AgentkeysError as problem:
                if self.trouble is None:
                    log.warning("the ledger's head: %s", problem.message)
                self.trouble = problem
                # Tried again after a pause: what fails now fails again now.
                self._news.set()
            else:
                self.trouble = None

    async def aclose(self) -> None:
        """Saves for the last time, or gives up soon."""
        with suppress(TimeoutError):
            async with asyncio.timeout(LAST_SECONDS):
                if self._news.is_set() or self._ledger.link != self.kept:
                    await self.save()

    async def _save(self) -> None:
        if self._ledger.link is None:  # the folder cannot be read: nothing to compare, or to keep
            return
        self.kept = kept = await self._load()
        if kept and not self._is_compared:
            await self._compare(kept)
        self._is_compared = True
        head = self._ledger.link
        await self._settle()
        # Another daemon on the same ledger may have come further.
        if head and head.seq > (kept.seq if kept else 0):
            await self._keeper.save(head)
            self.kept = head

    async def _load(self) -> Link | None:
        try:
            return await self._keeper.load()
        except AuditError as problem:
            # Of what nobody can read nobody can tell what is missing; that is all there is to say.
            if not self._is_compared:
                self._ledger.note_recovery(problem.message, outcome="error")
            return None

    async def _compare(self, kept: Link) -> None:
        if not await asyncio.to_thread(self._ledger.contains, kept):
            self._ledger.go_on_from(kept)
