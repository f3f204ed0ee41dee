"""Watches processes where the system does not: it looks at them now and then."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress

from agentkeys.processes import ProcessId

__all__ = ["PollingWatch"]


class PollingWatch:
    """A ProcessWatch that looks every so many `seconds`."""

    def __init__(self, *, seconds: float = 1.0) -> None:
        self._seconds = seconds

    def watch(self, process: ProcessId, ended: Callable[[], None]) -> Callable[[], None]:
        return _Polling(process, ended, self._seconds).cancel


class _Polling:
    def __init__(self, process: ProcessId, ended: Callable[[], None], seconds: float) -> None:
        self._process = process
        self._ended = ended
        self._seconds = seconds
        self._loop = asyncio.get_running_loop()
        self._next: asyncio.Handle = self._loop.call_soon(self._look)

    def cancel(self) -> None:
        self._next.cancel()

    def _look(self) -> None:
        # Where we cannot look, as without a file descriptor to spare, it counts as running.
        with suppress(OSError):
            if not self._process.is_alive:
                self._next = self._loop.call_soon(self._ended)
                return
        self._next = self._loop.call_later(self._seconds, self._look)
