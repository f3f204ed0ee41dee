"""When a daemon that nobody asks ends by itself."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from typing import Any

import pytest

from agentkeys_daemon.http import Receive, Scope, Send
from agentkeys_daemon.idle import IdleExit
from tests.support.hasty_loop import HastyLoop, run_hastily

LIMIT = timedelta(minutes=30)
MINUTE = timedelta(minutes=1)


class Story:
    """A daemon that may be busy and whose limit may change, in a time that a test moves."""

    def __init__(self, limit: timedelta | None = LIMIT) -> None:
        self.limit = limit
        self.busy = False
        self.looks = 0
        self.idle = IdleExit(limit=self.the_limit, is_busy=lambda: self.busy)
        self.end = asyncio.create_task(self.idle.wait())

    def the_limit(self) -> timedelta | None:
        self.looks += 1
        return self.limit

    async def pass_time(self, by: timedelta) -> None:
        """Lets `by` go by."""
        loop = asyncio.get_running_loop()
        assert isinstance(loop, HastyLoop)
        await settle()
        loop.skip(by.total_seconds())
        await settle()

    async def request(self, during: Callable[[], Awaitable[None]] | None = None) -> None:
        async def serve(scope: Scope, receive: Receive, send: Send) -> None:
            if during:
                await during()

        await self.idle.watching(serve)({}, nothing_comes, nothing_goes)
        await settle()

    async def ends(self) -> timedelta:
        """The limit that it ended by."""
        return await asyncio.wait_for(self.end, 0)

    @property
    def has_ended(self) -> bool:
        return self.end.done()


async def settle() -> None:
    """Lets everything run that can."""
    for _ in range(10):
        await asyncio.sleep(0)


async def nothing_comes() -> Mapping[str, Any]:
    raise AssertionError


async def nothing_goes(message: Mapping[str, Any]) -> None:
    raise AssertionError


def test_it_ends_when_its_time_is_over() -> None:
    """Not a minute before; it says by which limit."""

    async def story() -> None:
        daemon = Story()
        await daemon.pass_time(LIMIT - MINUTE)
        assert not daemon.has_ended
        await daemon.pass_time(MINUTE)
        assert await daemon.ends() == LIMIT

    run_hastily(story())


def test_a_request_gives_it_the_whole_time_again() -> None:
    """Counted from its end."""

    async def story() -> None:
        daemon = Story()
        await daemon.pass_time(LIMIT - MINUTE)
        await daemon.request(lambda: daemon.pass_time(5 * MINUTE))
        await daemon.pass_time(LIMIT - MINUTE)
        assert not daemon.has_ended
        await daemon.pass_time(MINUTE)
        assert daemon.has_ended

    run_hastily(story())


def test_a_request_under_way_keeps_it() -> None:
    """However long it takes."""

    async def story() -> None:
        daemon = Story()
        await daemon.request(lambda: daemon.pass_time(5 * LIMIT))
        assert not daemon.has_ended
        await daemon.pass_time(LIMIT)
        assert daemon.has_ended

    run_hastily(story())


def test_a_request_that_fails_counts_too() -> None:
    """It came, and it is over."""

    async def fail() -> None:
        raise RuntimeError

    async def story() -> None:
        daemon = Story()
        await daemon.pass_time(LIMIT - MINUTE)
        with pytest.raises(RuntimeError):
            await daemon.request(fail)
        await daemon.pass_time(LIMIT - MINUTE)
        assert not daemon.has_ended
        await daemon.pass_time(MINUTE)
        assert daemon.has_ended

    run_hastily(story())


def test_what_goes_on_without_a_request_keeps_it() -> None:
    """It is looked at when the time is over, and then gets the whole time again."""

    async def story() -> None:
        daemon = Story()
        daemon.busy = True
        await daemon.pass_time(LIMIT)
        daemon.busy = False
        await daemon.pass_time(LIMIT - MINUTE)
        assert not daemon.has_ended
        await daemon.pass_time(MINUTE)
        assert daemon.has_ended

    run_hastily(story())


def test_without_a_limit_it_stays() -> None:
    """Which is what happens when nothing is configured."""

    async def story() -> None:
        daemon = Story(None)
        await daemon.pass_time(timedelta(days=365))
        await daemon.request()
        assert not daemon.has_ended
        daemon.end.cancel()

    run_hastily(story())


@pytest.mark.parametrize("before", [None, timedelta(days=1)])
def test_a_limit_that_changes_counts_from_the_next_request(before: timedelta | None) -> None:
    """A request is what has the configuration read again."""

    async def story() -> None:
        daemon = Story(before)
        await daemon.pass_time(MINUTE)
        daemon.limit = LIMIT
        await daemon.request()
        await daemon.pass_time(LIMIT)
        assert await daemon.ends() == LIMIT

    run_hastily(story())


def test_a_limit_that_is_taken_away_no_longer_counts() -> None:
    """Even where no request has come since: it is asked for again before the end."""

    async def story() -> None:
        daemon = Story()
        await settle()
        daemon.limit = None
        await daemon.pass_time(2 * LIMIT)
        assert not daemon.has_ended
        daemon.end.cancel()

    run_hastily(story())


def test_it_does_not_tick() -> None:
    """Ten thousand requests at once are one look, and there is none by itself."""

    async def story() -> None:
        daemon = Story()
        await settle()
        assert daemon.looks == 1
        for _ in range(10_000):
            await daemon.idle.watching(_at_once)({}, nothing_comes, nothing_goes)
        await settle()
        await asyncio.sleep(10)
        assert daemon.looks == 1 + 1
        daemon.end.cancel()

    run_hastily(story())


async def _at_once(scope: Scope, receive: Receive, send: Send) -> None:
    return
