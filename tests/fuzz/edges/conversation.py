"""One connection to a server of the daemon's, without a network in between."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Any, cast

from agentkeys_daemon.http_server import HttpProtocol, HttpServer
from tests.support.raw_http import RawAnswer, parse_answer

__all__ = ["Conversation", "answers_in"]

PATIENCE = 5.0
"""Seconds that an answer may take; nothing in a conversation waits for anything outside."""
WAITING = 0.01
"""Seconds for an answer to what may be only the beginning of a request."""


class Conversation:
    """What a stranger says to a server, and what comes back."""

    def __init__(self, make: Callable[[asyncio.Event], HttpServer]) -> None:
        self._loop = asyncio.new_event_loop()
        # The daemon looks at who is there; both ends are this process.
        self._ends = socket.socketpair()
        self._server = self._loop.run_until_complete(self._make(make))
        self._problems: list[BaseException] = []
        self._loop.set_exception_handler(self._note)

    def say(self, parts: list[bytes]) -> bytes:
        """All that comes back to `parts`, sent one after the other, and then nothing more.

        Raises what the server failed to catch.
        """
        return self._loop.run_until_complete(asyncio.wait_for(self._say(parts), 2 * PATIENCE))

    async def _make(self, make: Callable[[asyncio.Event], HttpServer]) -> HttpServer:
        server = make(asyncio.Event())
        server.config.load()
        return server

    async def _say(self, parts: list[bytes]) -> bytes:
        protocol = self._protocol()
        transport = _Recorder(self._ends[0])
        protocol.connection_made(transport)
        for part in parts:
            # No transport hands on nothing: that would mean the end.
            if part and not transport.is_closing():
                protocol.data_received(part)
                await asyncio.sleep(0)
        await _let(protocol.server_state.tasks, seconds=WAITING)
        # Whoever waits for the rest of a request hears that none comes.
        if not transport.is_closing():
            protocol.eof_received()
        protocol.connection_lost(None)
        await _let(protocol.server_state.tasks, seconds=PATIENCE)
        if self._problems:
            raise self._problems.pop()
        return bytes(transport.said)

    def _protocol(self) -> HttpProtocol:
        config = self._server.config
        make = cast("Callable[..., HttpProtocol]", config.http_protocol_class)
        return make(config=config, server_state=self._server.server_state, app_state={})

    def _note(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        problem = context.get("exception")
        self._problems.append(problem or RuntimeError(context["message"]))


class _Recorder(asyncio.Transport):
    """Keeps what is written."""

    def __init__(self, end: socket.socket) -> None:
        super().__init__({"socket": end})
        self.said = bytearray()
        self._is_closing = False

    def write(self, data: Any) -> None:
        if not self._is_closing:
            self.said += data

    def write_eof(self) -> None:
        pass

    def is_closing(self) -> bool:
        return self._is_closing

    def close(self) -> None:
        self._is_closing = True

    abort = close

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        pass


async def _let(tasks: set[asyncio.Task[None]], *, seconds: float) -> None:
    """Lets answers be made; what takes longer is left as it is."""
    if tasks:
        await asyncio.wait(set(tasks), timeout=seconds)
    await asyncio.sleep(0)


def answers_in(said: bytes) -> list[RawAnswer]:
    """Every answer in `said`, in order; raises for what is none."""
    found = []
    while said:
        head, _, rest = said.partition(b"\r\n\r\n")
        lines = head.lower().split(b"\r\n")
        length = next(
            (int(line.partition(b":")[2]) for line in lines if line.startswith(b"content-length:")),
            0,
        )
        found.append(parse_answer(head + b"\r\n\r\n" + rest[:length]))
        said = rest[length:]
    return found
