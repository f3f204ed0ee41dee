"""Ends a daemon that nobody has asked for long enough."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import timedelta

from agentkeys_daemon.http import Receive, Scope, Send

__all__ = ["IdleExit"]

LOOK_AFTER_SECONDS = 1.0

Asgi = Callable[[Scope, Receive, Send], Awaitable[None]]


class IdleExit:
    """Knows when the last request came, and how long none may come before the daemon ends.

    It sleeps until the time could be over, however many requests come meanwhile. Its time is the
    event loop's, which nobody sets and which stands still while the machine sleeps: a lid that was
    closed for a night has left nobody the time to ask.
    """

    def __init__(
        self, *, limit: Callable[[], timedelta | None], is_busy: Callable[[], bool]
    ) -> None:
        """`limit` is asked anew soon after a request, None being never.

        `is_busy` tells of work that goes on without a request, and of what would be lost.
        """
        self._limit = limit
        self._is_busy = is_busy
        self._loop = asyncio.get_running_loop()
        self._time = self._loop.time
        self._under_way = 0
        self._last_needed = self._time()
        self._looking: asyncio.TimerHandle | None = None
        self._known_limit: timedelta | None = None
        self._other_limit = asyncio.Event()

    def watching(self, serve: Asgi) -> Asgi:
        """`serve`, each of whose requests counts as a need for the daemon until its end."""

        async def watched(scope: Scope, receive: Receive, send: Send) -> None:
            self._under_way += 1
            try:
                await serve(scope, receive, send)
            finally:
                self._under_way -= 1
                self._last_needed = self._time()
                self._look_soon()

        return watched

    def _look_soon(self) -> None:
        # Not at once: it is a look at the configuration file, and there may be hundreds of requests
        # in this second.
        if self._looking is None:
            self._looking = self._loop.call_later(LOOK_AFTER_SECONDS, self._look)

    def _look(self) -> None:
        self._looking = None
        if self._limit() != self._known_limit:
            self._other_limit.set()

    async def wait(self) -> timedelta:
        """Returns, with the limit, once nobody has needed the daemon for that long."""
        while True:
            self._other_limit.clear()
            limit = self._known_limit = self._limit()
            left = self._left(limit)
            if limit is not None and left is not None and left <= 0:
                return limit
            with suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await self._other_limit.wait()

    def _left(self, limit: timedelta | None) -> float | None:
        """Seconds until it could be over; None where there is no limit."""
        if self._under_way or self._is_busy():
            # Whatever goes on gets the whole time once more, rather than being looked at often.
            self._last_needed = self._time()
        if limit is None:
            return None
        return self._last_needed + limit.total_seconds() - self._time()
