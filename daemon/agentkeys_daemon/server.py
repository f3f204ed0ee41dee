"""HTTP on the Unix socket: uvicorn, with every peer checked before a byte of it is read."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Generator
from typing import Any

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from agentkeys.errors import AgentkeysError, PeerRefused, ProtocolError
from agentkeys.protocol import PROTOCOL_HEADER, PROTOCOL_VERSION
from agentkeys_daemon.listening import BACKLOG
from agentkeys_daemon.peers import is_ours, peer_of
from agentkeys_daemon.refusals import refusal

__all__ = ["DaemonServer"]

MAX_HEAD_BYTES = 16_384
SETTLE_SECONDS = 0.01
LAST_ANSWERS_SECONDS = 0.5
"""At the end, for connections that have not sent their request yet."""


class PeerCheckedProtocol(H11Protocol):
    """Refuses a connection of any other user; hands the peer on in the request's state."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        peer = peer_of(transport.get_extra_info("socket"))
        self.app_state = {**self.app_state, "peer": peer}
        if not is_ours(peer):
            transport.write(_ANOTHER_USER)
            transport.close()

    def data_received(self, data: bytes) -> None:
        # What a refused peer had sent before it was refused must not be answered.
        if not self.transport.is_closing():
            super().data_received(data)

    def send_400_response(self, msg: str) -> None:
        """Answers what is no HTTP as any other refusal, or hangs up in the midst of an answer."""
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            self.transport.write(_NO_HTTP)
        self.transport.close()


class DaemonServer(uvicorn.Server):
    """Serves until `until` is set, without a clock that ticks while nobody asks.

    Then it calls `leave`, after which nobody new finds the socket, and answers whoever has come
    this far. Requests that take longer get two seconds more.
    """

    def __init__(
        self, app: Any, *, until: asyncio.Event, leave: Callable[[], None] = lambda: None
    ) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                http=PeerCheckedProtocol,
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                date_header=False,
                server_header=False,
                headers=[(PROTOCOL_HEADER, str(PROTOCOL_VERSION))],
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


def _last_answer(status: str, problem: AgentkeysError) -> bytes:
    """A refusal that ends its connection, made without the HTTP library's state."""
    body = refusal(problem).body
    head = (
        f"HTTP/1.1 {status}\r\n"
        f"{PROTOCOL_HEADER}: {PROTOCOL_VERSION}\r\n"
        "content-type: application/json\r\n"
        f"content-length: {len(body)}\r\ncache-control: no-store\r\nconnection: close\r\n\r\n"
    )
    return head.encode() + body


_ANOTHER_USER = _last_answer(
    "403 Forbidden",
    PeerRefused("this daemon answers one user only", hint="use a daemon of your own"),
)
_NO_HTTP = _last_answer(
    "400 Bad Request",
    ProtocolError(
        "the request is not HTTP, or its head is too large",
        hint=f"send HTTP/1.1 with a head of at most {MAX_HEAD_BYTES} bytes",
    ),
)
