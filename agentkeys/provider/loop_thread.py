"""An event loop in a thread of its own, for those who wait in theirs."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, TypeVar

from agentkeys.provider.presented_mints import closed

__all__ = ["LoopThread"]

T = TypeVar("T")
_Work = Coroutine[Any, Any, T]


@dataclass(frozen=True, slots=True)
class _Running:
    thread: threading.Thread
    loop: asyncio.AbstractEventLoop
    last: Future[_Work[None]]
    """What is run when everything else is to end."""


class LoopThread:
    """Runs what is given to it; its thread begins with the first call."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: _Running | None = None
        self._is_closed = False

    def call(self, work: _Work[T]) -> T:
        """Waits for what `work` gives. A caller that is interrupted leaves it running.

        Raises RuntimeError after `close`.
        """
        with self._lock:
            if self._is_closed:
                work.close()
                raise closed()
            self._running = self._running or _begin()
            future = asyncio.run_coroutine_threadsafe(work, self._running.loop)
        return future.result()

    def close(self, last: _Work[None]) -> None:
        """Runs `last`, which has the others end, and waits until the thread has ended."""
        with self._lock:
            self._is_closed = True
            running, self._running = self._running, None
        if running is None:
            last.close()
            return
        running.last.set_result(last)
        running.thread.join()


def _begin() -> _Running:
    begun: Future[asyncio.AbstractEventLoop] = Future()
    last: Future[_Work[None]] = Future()
    # A daemon: a program that forgets to close us has to end all the same.
    thread = threading.Thread(
        target=lambda: asyncio.run(_live(begun, last)), name="agentkeys-provider", daemon=True
    )
    thread.start()
    return _Running(thread, begun.result(), last)


async def _live(begun: Future[asyncio.AbstractEventLoop], last: Future[_Work[None]]) -> None:
    begun.set_result(asyncio.get_running_loop())
    await (await asyncio.wrap_future(last))
    # Who waited for something is told so before the loop ends.
    others = asyncio.all_tasks() - {asyncio.current_task()}
    if others:
        await asyncio.wait(others)
