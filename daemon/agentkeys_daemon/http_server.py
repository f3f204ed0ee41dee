"""What both doors share: uvicorn without its own clock, signals and words."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Generator, Sequence
from typing import Any, ClassVar

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from agentkeys_daemon.http import HttpAnswer
from agentkeys_daemon.listening import BACKLOG

__all__ = ["MAX_HEAD_BYTES", "HttpProtocol", "HttpServer", "last_answer"]

MAX_HEAD_BYTES = 16_384
SETTLE_SECONDS = 0.01
LAST_ANSWERS_SECONDS = 0.5
"""At the end, for connections that have not sent their request yet."""

# Whoever speaks no HTTP is told so. In a log it would be room that any stranger could fill.
_SILENT = logging.Logger("uvicorn", level=logging.CRITICAL + 1)


class HttpProtocol(H11Protocol):
    """One connection; what is no HTTP is answered in the words of its door."""

    no_http: ClassVar[bytes]
    """A whole answer that ends its connection."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.logger = _SILENT

    def data_received(self, data: bytes) -> None:
        # What a refused peer had sent before it was refused must not be answered.
        if not self.transport.is_closing():
            super().data_received(data)

    def send_400_response(self, msg: str) -> None:
        """Answers what is no HTTP as any other refusal, or hangs up in the midst of an answer."""
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            self.transport.write(self.no_http)
        self.transport.close()


class HttpServer(uvicorn.Server):
    """Serves until `until` is set, without a clock that ticks while nobody asks.

    Then it calls `leave`, after which nobody new finds the socket, and answers whoever has come
    this far. Requests that take longer get two seconds more.
    """

    def __init__(
        self,
        app: Any,
        *,
        protocol: type[HttpProtocol],
        until: asyncio.Event,
        leave: Callable[[], None] = lambda: None,
        headers: Sequence[tuple[str, str]] = (),
    ) -> None:
        """`headers` are those of every answer."""
        super().__init__(
            uvicorn.Config(
                app,
                http=protocol,
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                date_header=False,
                server_header=False,
                headers=list(headers),
                backlog=BACKLOG,
                h11_max_incomplete_event_size=MAX_HEAD_BYTES,
                timeout_graceful_shutdown=2,
            )
        )
        self._until = until
        self._leave = leave

    async def main_loop(self) -> None:
        # Sets the headers of every answer; uvicorn itself would do so ten times a second.
        await self.on_tick(0)
        await self._until.wait()
        self._leave()
        await self._answer_the_last()

    async def _answer_the_last(self) -> None:
        """Stops listening without hanging up on anyone who has connected."""
        # Whoever waits in the socket's queue is taken out of it when the loop next turns.
        await asyncio.sleep(SETTLE_SECONDS)
        loop = asyncio.get_running_loop()
        for server in self.servers:
            for listening in server.sockets:
                # Not closed yet: a connection that was just taken still needs its server.
                loop.remove_reader(listening.fileno())
        end = loop.time() + LAST_ANSWERS_SECONDS
        await asyncio.sleep(SETTLE_SECONDS)
        while self.server_state.connections and loop.time() < end:  # noqa: ASYNC110 - uvicorn's set
            await asyncio.sleep(SETTLE_SECONDS)

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Leaves signals to the daemon's own life cycle."""
        yield


def last_answer(status: str, answer: HttpAnswer, headers: Sequence[tuple[str, str]] = ()) -> bytes:
    """`answer` as one that ends its connection, made without the HTTP library's state.

    `status` is the number with its phrase.
    """
    fields = [
        *headers,
        ("content-type", answer.content_type),
        ("content-length", str(len(answer.body))),
        ("cache-control", "no-store"),
        ("connection", "close"),
    ]
    head = "".join(f"{name}: {value}\r\n" for name, value in fields)
    return f"HTTP/1.1 {status}\r\n{head}\r\n".encode() + answer.body
