"""Waits for the disk in a thread, so that the daemon goes on answering; once for all who wait."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from agentkeys.errors import AuditError

__all__ = ["DiskSync"]

LIMIT_SECONDS = 5.0
"""What a disk that is busy, and well, needs less than."""


class DiskSync:
    """Brings to the disk what was written; `sync` blocks, and may be called in a thread."""

    def __init__(self, sync: Callable[[], None], *, limit_seconds: float = LIMIT_SECONDS) -> None:
        self._sync = sync
        self._limit = limit_seconds
        self._under_way: asyncio.Task[None] | None = None
        self._next: asyncio.Task[None] | None = None

    async def settle(self) -> None:
        """Returns when all that was written before the call is on the disk; raises AuditError."""
        try:
            async with asyncio.timeout(self._limit):
                # Those who give up must not take it from those who wait.
                await asyncio.shield(self._join())
        except TimeoutError:
            raise AuditError(
                f"the disk has not taken the ledger's records within {self._limit:g} s",
                hint="see what keeps the disk from its work",
            ) from None

    def _join(self) -> asyncio.Task[None]:
        # The one under way may have begun before our line was written.
        if self._next is None:
            self._next = asyncio.get_running_loop().create_task(self._run(self._under_way))
            self._next.add_done_callback(_look_at)
        return self._next

    async def _run(self, earlier: asyncio.Task[None] | None) -> None:
        if earlier is not None:
            await asyncio.wait({earlier})
        self._under_way, self._next = self._next, None
        await asyncio.to_thread(self._sync)


def _look_at(task: asyncio.Task[None]) -> None:
    """A failure that nobody waits for any more is no surprise."""
    if not task.cancelled():
        task.exception()
