"""Jobs that are done a few at a time, ahead of the tests that look at what came of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Self

from tests.clients.clients import Client, Door
from tests.clients.doors import Played

__all__ = ["Ahead"]


class Ahead:
    """Does every job once, `at_once` at the same time, from the moment that this is entered."""

    def __init__(
        self,
        jobs: Iterable[tuple[Client, Door]],
        do: Callable[[Client, Door], Played],
        *,
        at_once: int = 3,
    ) -> None:
        self._pool = ThreadPoolExecutor(at_once)
        self._jobs = list(jobs)
        self._do = do
        self._futures: dict[tuple[str, Door], Future[Played]] = {}

    def __enter__(self) -> Self:
        for client, door in self._jobs:
            self._futures[client.name, door] = self._pool.submit(self._do, client, door)
        return self

    def __exit__(self, *exception: object) -> None:
        self._pool.shutdown(cancel_futures=True)

    def of(self, client: Client, door: Door) -> Played:
        """What came of it; waits for its end."""
        return self._futures[client.name, door].result()
