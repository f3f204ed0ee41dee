"""The task that has leases minted ahead of need."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta

__all__ = ["Refresher"]

log = logging.getLogger("agentkeys.daemon")

LONGEST_SLEEP = timedelta(minutes=1)
"""Timers stand still while the machine sleeps, and clocks get set: so it looks every minute."""


class Refresher:
    """Looks for leases that are due, as often as it may matter; nothing ends it but its task's end.

    `refresh` begins whatever is due and returns how long until something will be. `changed` is set
    by others when that may have become sooner.
    """

    def __init__(self, *, refresh: Callable[[], timedelta | None], changed: asyncio.Event) -> None:
        self._refresh = refresh
        self._changed = changed

    async def run(self) -> None:
        """Never returns."""
        while True:
            self._changed.clear()
            pause = min(self._look() or LONGEST_SLEEP, LONGEST_SLEEP)
            with suppress(TimeoutError):
                async with asyncio.timeout(pause.total_seconds()):
                    await self._changed.wait()

    def _look(self) -> timedelta | None:
        try:
            pause = self._refresh()
        except Exception as problem:  # noqa: BLE001 - one bad look must not be the last one
            # Only its type: an unforeseen exception's text may quote what it choked on.
            log.error("unforeseen %s while refreshing", type(problem).__name__)  # noqa: TRY400
            return None
        log.debug("refresh: nothing more is due %s", f"for {pause}" if pause else "so far")
        return pause
