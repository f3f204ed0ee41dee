"""Work that is under way, shared by all who want its result."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Iterator
from typing import Generic, TypeVar

__all__ = ["Flights"]

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")


class Flights(Generic[K, T]):
    """Runs one task for each name at a time, however many ask for it."""

    def __init__(self) -> None:
        self._tasks: dict[K, asyncio.Task[T]] = {}

    def __contains__(self, name: K) -> bool:
        return name in self._tasks

    def __iter__(self) -> Iterator[K]:
        return iter(self._tasks)

    def __bool__(self) -> bool:
        return bool(self._tasks)

    def items(self) -> Iterator[tuple[K, asyncio.Task[T]]]:
        """Every name with its task, as they are now."""
        return iter(tuple(self._tasks.items()))

    def join(self, name: K, work: Callable[[], Awaitable[T]]) -> asyncio.Task[T]:
        """The task of that name, begun with `work` where there is none.

        A caller that gives up must not take it down with it: wait for it through `asyncio.shield`.
        """
        task = self._tasks.get(name)
        if task is None:
            task = asyncio.get_running_loop().create_task(_run(work))
            self._tasks[name] = task
            task.add_done_callback(lambda done: self._land(name, done))
        return task

    def _land(self, name: K, task: asyncio.Task[T]) -> None:
        del self._tasks[name]
        if not task.cancelled():
            # Read, so that a failure nobody waited for is not reported as never retrieved.
            task.exception()


async def _run(work: Callable[[], Awaitable[T]]) -> T:
    return await work()
