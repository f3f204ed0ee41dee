"""Warm requests on fresh connections: one after the other, and from many callers at once."""

from __future__ import annotations

import asyncio
import statistics
import time

__all__ = ["Latencies", "one_by_one", "under_load"]

REQUEST = (
    b"GET /v1/profiles/@default/credentials HTTP/1.1\r\nhost: agentkeys\r\n"
    b"connection: close\r\nagentkeys-settings: %s\r\n\r\n"
)


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


def one_by_one(socket: str, settings: str, *, count: int) -> Latencies:
    async def run() -> list[float]:
        return [await _ask(socket, settings) for _ in range(count)]

    return Latencies(asyncio.run(run()))


def under_load(
    socket: str, settings: str, *, callers: int, per_second: int, seconds: float
) -> Latencies:
    """`callers` that together ask `per_second` times a second, evenly spread."""

    async def caller(number: int) -> list[float]:
        pause = callers / per_second
        begun = asyncio.get_running_loop().time() + number * pause / callers
        taken = []
        for turn in range(int(seconds / pause)):
            await asyncio.sleep(begun + turn * pause - asyncio.get_running_loop().time())
            taken.append(await _ask(socket, settings))
        return taken

    async def run() -> list[float]:
        lists = await asyncio.gather(*(caller(number) for number in range(callers)))
        return [seconds for taken in lists for seconds in taken]

    return Latencies(asyncio.run(run()))


async def _ask(socket: str, settings: str) -> float:
    begun = time.perf_counter()
    reader, writer = await asyncio.open_unix_connection(socket)
    writer.write(REQUEST % settings.encode())
    answer = await reader.read()
    taken = time.perf_counter() - begun
    writer.close()
    await writer.wait_closed()
    if not answer.startswith(b"HTTP/1.1 200 "):
        raise SystemExit(f"the daemon answered {answer.splitlines()[0].decode()}")
    return taken
