"""The ASGI application: finds the route, reads the body, and turns refusals into answers."""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl

from agentkeys_shell.sandbox.broker.web import Fields, Refused, Rejected, Request, Response, Route

__all__ = ["MAX_BODY_BYTES", "App"]

MAX_BODY_BYTES = 1024 * 1024

_Message = MutableMapping[str, Any]
_Receive = Callable[[], Awaitable[_Message]]
_Send = Callable[[_Message], Awaitable[None]]

_log = logging.getLogger(__name__)


class App:
    """Serves `routes`. Handlers run one at a time, on the loop, so that none needs a lock."""

    def __init__(self, routes: Sequence[Route]) -> None:
        self._routes = tuple(routes)

    async def __call__(self, scope: _Message, receive: _Receive, send: _Send) -> None:
        response = await self._answer(scope, receive)
        await send(
            {
                "type": "http.response.start",
                "status": response.status,
                "headers": _header_pairs(response),
            }
        )
        await send({"type": "http.response.body", "body": response.body})

    async def _answer(self, scope: _Message, receive: _Receive) -> Response:
        try:
            route, tail = self._find(scope["method"], scope["path"])
            return route.handle(await _read_request(scope, receive, route, tail))
        except (Refused, Rejected) as refusal:
            return refusal.response()
        except Exception:  # noqa: BLE001 - a top level
            # The contract has an envelope for whatever else can go wrong; the log has the reason.
            _log.exception("a request failed")
            return Refused("internal", "see the broker's log").response()

    def _find(self, method: str, path: str) -> tuple[Route, str]:
        asked = "GET" if method == "HEAD" else method
        here = [(r, tail) for r in self._routes if (tail := r.tail_of(path)) is not None]
        if not here:
            raise Rejected(HTTPStatus.NOT_FOUND)
        for route, tail in here:
            if route.method == asked:
                return route, tail
        allowed = ", ".join(route.method for route, _ in here)
        raise Rejected(HTTPStatus.METHOD_NOT_ALLOWED, allow=allowed)


async def _read_request(scope: _Message, receive: _Receive, route: Route, tail: str) -> Request:
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
    payload: object = {}
    if route.reads_json:
        _check_content_type(headers.get("content-type", ""))
        payload = _parse_json(await _read_body(headers.get("content-length"), receive))
    return Request(
        fields=Fields(payload),
        query=dict(parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)),
        authorization=headers.get("authorization"),
        tail=tail,
    )


def _check_content_type(value: str) -> None:
    if value.partition(";")[0].strip().lower() != "application/json":
        raise Rejected(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "a body of Content-Type application/json is needed"
        )


async def _read_body(announced: str | None, receive: _Receive) -> bytes:
    if announced and int(announced) > MAX_BODY_BYTES:
        raise Rejected(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "the body is longer than 1 MiB")
    body, more = bytearray(), True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
        if len(body) > MAX_BODY_BYTES:
            raise Rejected(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "the body is longer than 1 MiB")
    return bytes(body)


def _parse_json(body: bytes) -> object:
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Rejected(HTTPStatus.BAD_REQUEST, "the body is not valid JSON") from error


def _header_pairs(response: Response) -> list[tuple[bytes, bytes]]:
    headers = {"content-length": str(len(response.body)), **response.headers}
    if response.content_type:
        headers["content-type"] = response.content_type
    return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
