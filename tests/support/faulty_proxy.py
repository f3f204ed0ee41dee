"""A proxy on loopback in front of a broker or a store that fails as a test tells it to."""

from __future__ import annotations

import asyncio
import random
import socket
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import cycle, repeat
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import urlsplit

from tests.support.faults import PASS, Fault
from tests.support.proxied import ProxiedExchange, read_request

__all__ = ["FaultyProxy", "Handled"]

T = TypeVar("T")

_PATIENCE = 30.0
"""Seconds, for anything that should take none."""
_BACKLOG = 512


@dataclass(frozen=True)
class Handled:
    """A request that arrived, and the fault that it met."""

    method: str
    path: str
    fault: str


class FaultyProxy:
    """Runs while its `with` block does; clients use `url` in place of `upstream`.

    At first everything passes. What it is told counts for the requests that arrive from then on;
    those under way go on as they began. Each connection carries one request.
    """

    def __init__(self, upstream: str) -> None:
        parts = urlsplit(upstream)
        assert parts.hostname
        assert parts.port
        self.handled: list[Handled] = []
        """In the order in which they arrived."""
        self._upstream = parts.hostname, parts.port
        self._path = parts.path
        self._faults: Iterator[Fault] = repeat(PASS)
        self._choosing = threading.Lock()
        # Never listened on: while it is bound nobody else gets the port.
        self._claim = _bound(0)
        self._server: asyncio.Server | None = None
        self._released = asyncio.Event()
        self._under_way: set[asyncio.Task[None]] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}{self._path}"

    # What a test tells it.

    def play(self, *faults: Fault) -> None:
        """Requests meet these in turn, over and over; of one alone, each meets it."""
        self._listen(cycle(faults))

    def flip(self, *faults: Fault) -> None:
        """Every other request passes; those between meet these in turn."""
        self.play(*(each for fault in faults for each in (PASS, fault)))

    def draw(self, *faults: Fault, seed: int) -> None:
        """Each request meets any of these, the same ones for the same seed."""
        dice = random.Random(seed)
        self._listen(dice.choice(faults) for _ in repeat(None))

    def refuse(self) -> None:
        """Nobody listens any more, so connections are refused, until it is told another thing."""
        self._run(self._stop_listening)

    def mend(self) -> None:
        """Everything passes from now on, and so does what it has been holding."""
        self.play(PASS)
        self.release()

    def release(self) -> None:
        """What it has been holding back goes on its way."""
        self._run(self._release)

    # What a test wants to know.

    @property
    def requests(self) -> int:
        return len(self.handled)

    def met(self, fault: str) -> int:
        """How many requests met the fault of that name."""
        return sum(handled.fault == fault for handled in self.handled)

    # How it works.

    def __enter__(self) -> Self:
        self._thread.start()
        self.play(PASS)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._run(self._close)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self._claim.close()

    @property
    def _port(self) -> int:
        port: int = self._claim.getsockname()[1]
        return port

    def _run(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        return asyncio.run_coroutine_threadsafe(work(), self._loop).result(_PATIENCE)

    def _listen(self, faults: Iterator[Fault]) -> None:
        with self._choosing:
            self._faults = faults
        self._run(self._start_listening)

    async def _start_listening(self) -> None:
        if self._server is None:
            self._server = await asyncio.start_server(
                self._serve, sock=_bound(self._port), backlog=_BACKLOG
            )

    async def _stop_listening(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None

    async def _release(self) -> None:
        self._released.set()
        self._released = asyncio.Event()

    async def _close(self) -> None:
        await self._stop_listening()
        for task in self._under_way:
            task.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        self._under_way.add(task)
        try:
            # A client may go at any point, and so may the real server.
            with suppress(OSError, EOFError):
                await self._handle(reader, writer)
                writer.close()
                await writer.wait_closed()
        except asyncio.CancelledError:
            pass  # by `_close`; the streams of Python 3.11 would report it as an error
        finally:
            self._under_way.discard(task)
            writer.transport.abort()

    async def _handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head, body = await read_request(reader)
        with self._choosing:
            fault = next(self._faults)
        method, path, _ = head.decode("latin-1").split(" ", 2)
        self.handled.append(Handled(method, path, fault.name))
        await fault.play(
            ProxiedExchange(
                self._upstream,
                head + body,
                reader=reader,
                writer=writer,
                released=self._released,
            )
        )


def _bound(port: int) -> socket.socket:
    """A socket at `port`, any free one for 0; several of ours may have it."""
    found = socket.socket()
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    found.bind(("127.0.0.1", port))
    return found
