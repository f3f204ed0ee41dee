"""HTTP on the Unix socket: every peer is checked before a byte of it is read."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from agentkeys.errors import AgentkeysError, PeerRefused, ProtocolError
from agentkeys.protocol import PROTOCOL_HEADER, PROTOCOL_VERSION
from agentkeys_daemon.http_server import MAX_HEAD_BYTES, HttpProtocol, HttpServer, last_answer
from agentkeys_daemon.peers import is_ours, peer_of
from agentkeys_daemon.refusals import refusal

__all__ = ["DaemonServer"]

_HEADERS = [(PROTOCOL_HEADER, str(PROTOCOL_VERSION))]


def _last_refusal(status: str, problem: AgentkeysError) -> bytes:
    return last_answer(status, refusal(problem), _HEADERS)


_ANOTHER_USER = _last_refusal(
    "403 Forbidden",
    PeerRefused("this daemon answers one user only", hint="use a daemon of your own"),
)
_NO_HTTP = _last_refusal(
    "400 Bad Request",
    ProtocolError(
        "the request is not HTTP, or its head is too large",
        hint=f"send HTTP/1.1 with a head of at most {MAX_HEAD_BYTES} bytes",
    ),
)


class PeerCheckedProtocol(HttpProtocol):
    """Refuses a connection of any other user; hands the peer on in the request's state."""

    no_http = _NO_HTTP

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        peer = peer_of(transport.get_extra_info("socket"))
        self.app_state = {**self.app_state, "peer": peer}
        if not is_ours(peer):
            transport.write(_ANOTHER_USER)
            transport.close()


class DaemonServer(HttpServer):
    """The Unix socket's server."""

    def __init__(
        self, app: Any, *, until: asyncio.Event, leave: Callable[[], None] = lambda: None
    ) -> None:
        super().__init__(
            app, protocol=PeerCheckedProtocol, until=until, leave=leave, headers=_HEADERS
        )
