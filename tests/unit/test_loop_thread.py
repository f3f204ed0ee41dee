"""A loop in a thread of its own: it begins when it is needed, and ends when it is told."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from agentkeys.provider.loop_thread import LoopThread


async def say(what: str) -> str:
    await asyncio.sleep(0)
    return f"{what} in {threading.current_thread().name}"


async def nothing() -> None:
    pass


def test_work_is_done_elsewhere() -> None:
    """All of it in the same thread, which is gone after the end."""
    thread = LoopThread()
    assert thread.call(say("a")) == "a in agentkeys-provider"
    assert thread.call(say("b")) == "b in agentkeys-provider"
    thread.close(nothing())
    assert "agentkeys-provider" not in {one.name for one in threading.enumerate()}


def test_after_the_end_there_is_an_error() -> None:
    """However often it ends; and no coroutine is left lying about, which would be a warning."""
    thread = LoopThread()
    for _ in range(2):
        thread.close(nothing())
        with pytest.raises(RuntimeError, match="closed"):
            thread.call(say("a"))


def test_an_error_comes_back() -> None:
    """As it was raised."""

    async def fail() -> None:
        raise ValueError("no")

    thread = LoopThread()
    with pytest.raises(ValueError, match="no"):
        thread.call(fail())
    thread.close(nothing())


def test_the_end_waits_for_who_is_being_told() -> None:
    """Callers hear what becomes of their work, rather than that the loop has gone."""
    begun, told = threading.Event(), asyncio.Event()

    async def work() -> str:
        begun.set()
        await told.wait()
        for _ in range(5):
            await asyncio.sleep(0)
        return "told"

    async def last() -> None:
        told.set()

    thread = LoopThread()
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(thread.call, work())
        assert begun.wait(30)
        thread.close(last())
        assert waiting.result(30) == "told"
