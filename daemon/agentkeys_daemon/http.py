"""The little of ASGI that the daemon needs: a request, an answer, a bounded body."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from agentkeys.errors import ProtocolError
from agentkeys_daemon.peers import Peer
from agentkeys_daemon.runs.run import Run

__all__ = ["HttpAnswer", "HttpRequest", "Receive", "Scope", "Send", "json_answer", "read_request"]

MAX_BODY_BYTES = 65_536

Scope = Mapping[str, Any]
Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Send = Callable[[Mapping[str, Any]], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """One request of a peer that has already been checked."""

    method: str
    path: str
    """As it was sent, percent-encoded: a name in it may hold a slash."""
    headers: Mapping[str, str]
    body: bytes
    peer: Peer
    inside: Run | None = None
    """The run that the peer is in."""

    def json(self) -> dict[str, Any]:
        """The body as an object; raises ProtocolError."""
        try:
            found = json.loads(self.body)
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict):
            raise ProtocolError("the request's body is not a JSON object", hint="send an object")
        return found


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """One answer; its body may hold secrets."""

    status: int
    content_type: str
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()
    """Beside those that every answer has; names in lower case, values in ASCII."""

    async def send(self, send: Send) -> None:
        headers = [
            (b"content-type", self.content_type.encode()),
            (b"content-length", b"%d" % len(self.body)),
            (b"cache-control", b"no-store"),
        ]
        headers += [(name.encode("ascii"), value.encode("ascii")) for name, value in self.headers]
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": self.body})


def json_answer(document: Mapping[str, Any], *, status: int = 200) -> HttpAnswer:
    return HttpAnswer(status, "application/json", json.dumps(document).encode() + b"\n")


async def read_request(scope: Scope, receive: Receive) -> HttpRequest:
    """Raises ProtocolError for a body over 64 KiB, and for one that its sender broke off."""
    body = b""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ProtocolError("the request was broken off", hint="send the whole of it")
        body += message.get("body", b"")
        if len(body) > MAX_BODY_BYTES:
            raise ProtocolError("the request is too large", hint="send at most 64 KiB")
        if not message.get("more_body"):
            break
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
    return HttpRequest(
        method=scope["method"],
        path=scope["raw_path"].decode("ascii"),
        headers=headers,
        body=body,
        peer=scope["state"]["peer"],
    )
