"""One connection to the endpoint, which any process on the machine can open.

Whoever connects has one request, of a bounded size, and a bounded time for it. The token decides
who is answered; what is here keeps a stranger from holding up the others.
"""

from __future__ import annotations

import asyncio
import resource
from dataclasses import dataclass, field
from typing import Any, cast

from uvicorn.server import ServerState

from agentkeys_daemon.endpoint.answers import refusal
from agentkeys_daemon.endpoint.mint import is_mint
from agentkeys_daemon.endpoint.mint_answers import LARGEST_BODY
from agentkeys_daemon.endpoint.mint_answers import TOO_LARGE as MINT_TOO_LARGE
from agentkeys_daemon.http_server import MAX_HEAD_BYTES, HttpProtocol, last_answer

__all__ = ["EndpointProtocol", "EndpointState", "Limits"]

LINGER_SECONDS = 1.0
"""For a client to read why it was refused, while what it still sends is thrown away."""
MOST_DESCRIPTORS = 4096
_CONTENT_TOO_LARGE = "413 Content Too Large"

_NO_HTTP = last_answer(
    "400 Bad Request",
    refusal(400, "protocol_error", "the request is not HTTP; send HTTP/1.1"),
)
_TOO_LARGE = last_answer(
    _CONTENT_TOO_LARGE,
    refusal(
        413,
        "request_too_large",
        f"the request is too large; send at most {MAX_HEAD_BYTES} bytes, head and body",
    ),
)


_MINT_TOO_LARGE = last_answer(_CONTENT_TOO_LARGE, MINT_TOO_LARGE)


def _half_of_our_descriptors() -> int:
    """A stranger's connections must leave enough of them for the socket's clients."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return (MOST_DESCRIPTORS if soft == resource.RLIM_INFINITY else soft) // 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one connection may take, and all of them together."""

    seconds: float = 10.0
    """From connecting to the answer's last byte."""
    request_bytes: int = MAX_HEAD_BYTES
    """Head and body together."""
    mint_bytes: int = LARGEST_BODY
    """So much more for the body of a request to mint."""
    mint_seconds: float = 14.0
    """So much more for a mint that such a request waits for: clients of brokers wait for 15."""
    waiting: int = field(default_factory=_half_of_our_descriptors)
    """Connections that have not sent their whole request."""


class EndpointState(ServerState):
    """What the connections share."""

    def __init__(self, limits: Limits) -> None:
        super().__init__()
        self.limits = limits
        self.waiting: dict[EndpointProtocol, None] = {}
        """Connections without a whole request so far, the oldest first."""


class EndpointProtocol(HttpProtocol):
    """Hangs up on whoever sends too much, too slowly, or, when it gets crowded, nothing yet."""

    no_http = _NO_HTTP

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._state = cast("EndpointState", self.server_state)
        self._bytes_left = self._state.limits.request_bytes
        self._too_large = _TOO_LARGE
        self._is_mint = False
        self._is_refused = False
        self._hanging_up: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._hang_up_in(self._state.limits.seconds)
        self._state.waiting[self] = None
        if len(self._state.waiting) > self._state.limits.waiting:
            # A client of ours sends its request at once; who has waited longest means to wait.
            next(iter(self._state.waiting)).hang_up()

    def connection_lost(self, exc: Exception | None) -> None:
        self._state.waiting.pop(self, None)
        if self._hanging_up:
            self._hanging_up.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        # How large a body may be is known once the head has been read.
        while data and not self._is_refused:
            if self._bytes_left == 0:
                self._refuse(self._too_large)
                return
            within, data = data[: self._bytes_left], data[self._bytes_left :]
            self._bytes_left -= len(within)
            super().data_received(within)
            if self.cycle is not None:
                self._look_at_request()

    def _look_at_request(self) -> None:
        """What it is for, and whether it is whole."""
        if not self._is_mint and is_mint(self.cycle.scope["raw_path"]):
            self._is_mint = True
            self._bytes_left += self._state.limits.mint_bytes
            self._too_large = _MINT_TOO_LARGE
        if self in self._state.waiting and not self.cycle.more_body:
            self._state.waiting.pop(self)
            if self._is_mint:
                self._hang_up_in(self._state.limits.mint_seconds + self._state.limits.seconds)

    def send_400_response(self, msg: str) -> None:
        self._refuse(self.no_http)

    def shutdown(self) -> None:
        """The daemon ends, or hands the endpoint on: who has a whole request gets its answer."""
        if self in self._state.waiting or self._is_refused:
            self.hang_up()
        else:
            super().shutdown()

    def hang_up(self) -> None:
        self._state.waiting.pop(self, None)
        self.transport.abort()

    def _refuse(self, answer: bytes) -> None:
        """Closing at once would reset the connection, and the client would not see the answer."""
        self._is_refused = True
        if self.cycle is not None:
            if self.cycle.response_started:
                self.hang_up()
                return
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        self.transport.write(answer)
        self.transport.write_eof()
        self._hang_up_in(LINGER_SECONDS)

    def _hang_up_in(self, seconds: float) -> None:
        if self._hanging_up:
            self._hanging_up.cancel()
        self._hanging_up = self.loop.call_later(seconds, self.hang_up)
