"""The task that looks for leases that are due."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

from agentkeys_daemon.refresher import Refresher

LIMIT = 20  # seconds, for what takes none


def play(story: Callable[[Looks], Awaitable[None]]) -> None:
    async def whole() -> None:
        looks = Looks()
        task = asyncio.get_running_loop().create_task(
            Refresher(refresh=looks.look, changed=looks.changed).run()
        )
        async with asyncio.timeout(LIMIT):
            await story(looks)
        assert not task.done()
        task.cancel()

    asyncio.run(whole())


class Looks:
    """Counts looks; `answer` is what the next one finds."""

    def __init__(self) -> None:
        self.changed = asyncio.Event()
        self.answer: timedelta | Exception | None = None
        self._seen = asyncio.Queue[None]()

    def look(self) -> timedelta | None:
        self._seen.put_nowait(None)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    async def seen(self) -> None:
        """Returns when it has looked once more."""
        await self._seen.get()


def test_it_looks_at_the_start_and_when_something_changes() -> None:
    """A mint, a login, what the vault had."""

    async def story(looks: Looks) -> None:
        for _ in range(5):
            await looks.seen()
            looks.changed.set()

    play(story)


def test_it_looks_when_the_time_has_come() -> None:
    """That the last look told."""

    async def story(looks: Looks) -> None:
        looks.answer = timedelta(milliseconds=1)
        for _ in range(5):
            await looks.seen()

    play(story)


def test_it_survives_whatever_goes_wrong(caplog: pytest.LogCaptureFixture) -> None:
    """One bad look is logged by its type, and is not the last one."""

    async def story(looks: Looks) -> None:
        looks.answer = RuntimeError("secret")
        await looks.seen()
        looks.answer = timedelta(milliseconds=1)
        looks.changed.set()
        for _ in range(3):
            await looks.seen()

    play(story)
    assert "unforeseen RuntimeError" in caplog.text
    assert "secret" not in caplog.text
