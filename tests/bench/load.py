"""Warm requests on fresh connections: one after the other, and from many callers at once."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial

from agentkeys.client import request

__all__ = ["Latencies", "one_by_one", "under_load"]

PATH = "/v1/profiles/@default/credentials"
Ask = Callable[[Mapping[str, str]], float]
"""Asks once, with a program's environment; returns the seconds that it took."""
PROCESSES = 4
"""Callers share few processes, so that they wait for the daemon and not for one another."""


class Latencies:
    """Seconds that requests took."""

    def __init__(self, seconds: list[float]) -> None:
        self._sorted = sorted(seconds)

    @property
    def median(self) -> float:
        return statistics.median(self._sorted)

    @property
    def p99(self) -> float:
        return self._sorted[int(len(self._sorted) * 0.99)]


def one_by_one(environ: Mapping[str, str], *, count: int) -> Latencies:
    return Latencies([_ask(environ) for _ in range(count)])


def under_load(
    environ: Mapping[str, str],
    *,
    callers: int,
    per_second: int,
    seconds: float,
    ask: Ask | None = None,
) -> Latencies:
    """`callers` that together ask `per_second` times a second, evenly spread.

    `ask` is a function of a module, for other processes to find; the socket is asked without it.
    """
    begin = time.monotonic() + 1
    each = partial(
        _callers, ask or _ask, dict(environ), begin, callers / per_second, int(per_second * seconds)
    )
    shares = [range(first, callers, PROCESSES) for first in range(PROCESSES)]
    with ProcessPoolExecutor(PROCESSES) as pool:
        lists = pool.map(partial(each, callers), shares)
        return Latencies([taken for share in lists for taken in share])


def _callers(
    ask: Ask,
    environ: Mapping[str, str],
    begin: float,
    pause: float,
    total: int,
    callers: int,
    numbers: range,
) -> list[float]:
    """What one process's callers measure, each in a thread of its own."""

    def call(number: int) -> list[float]:
        taken = []
        for turn in range(total // callers):
            due = begin + number * pause / callers + turn * pause
            time.sleep(max(0.0, due - time.monotonic()))
            taken.append(ask(environ))
        return taken

    with ThreadPoolExecutor(len(numbers)) as threads:
        return [seconds for taken in threads.map(call, numbers) for seconds in taken]


def _ask(environ: Mapping[str, str]) -> float:
    begun = time.perf_counter()
    response = request("GET", PATH, environ=environ)
    taken = time.perf_counter() - begun
    if response.status != 200:
        raise SystemExit(f"the daemon answered {response.status}")
    return taken
