"""Takes the browser's way back: one address on 127.0.0.1, while a login lasts (RFC 8252)."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from types import TracebackType
from typing import Protocol, Self
from urllib.parse import parse_qsl, urlsplit

import h11

from agentkeys.errors import LoginFailed
from agentkeys.login.oidc.pages import NOT_FOUND, STRANGE, Page

__all__ = ["Judge", "RedirectListener"]

HOST, PATH = "127.0.0.1", "/callback"
MOST_HEAD_BYTES = 16_384
MOST_CONNECTIONS = 32
SECONDS = 10.0
"""The longest that one connection may take."""


class Judge(Protocol):
    """Says what a redirect means."""

    def page(self, parameters: Mapping[str, str]) -> Page:
        """What to show to whoever brought it."""
        ...

    def take(self, parameters: Mapping[str, str]) -> None:
        """Called once it has been shown; ends the wait where the redirect is the right one."""
        ...


class RedirectListener:
    """Listens while its `async with` block runs; what else arrives is answered and forgotten."""

    _server: asyncio.Server

    def __init__(self, *, port: int | None, judge: Judge) -> None:
        """`port` is the one that the issuer knows, None for any that is free."""
        self._port = port
        self._judge = judge
        self._visits: dict[asyncio.Task[None], asyncio.StreamWriter] = {}
        """Those under way, in the order in which they came."""

    @property
    def redirect_uri(self) -> str:
        """Where the browser is to come back to."""
        return f"http://{HOST}:{self._port}{PATH}"

    async def __aenter__(self) -> Self:
        """Raises LoginFailed when the port is taken."""
        try:
            self._server = await asyncio.start_server(
                self._welcome, HOST, self._port or 0, limit=MOST_HEAD_BYTES
            )
        except OSError as problem:
            raise LoginFailed(
                f"port {self._port} on {HOST} cannot be listened at: {problem.strerror}",
                hint="end the program that has it, or set another redirect_port",
            ) from problem
        self._port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.close()
        for visit in self._visits:
            visit.cancel()
        await asyncio.gather(*self._visits, return_exceptions=True)

    def _welcome(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        visit = asyncio.get_running_loop().create_task(self._serve(reader, writer))
        self._visits[visit] = writer
        visit.add_done_callback(lambda done: self._visits.pop(done, None))
        if len(self._visits) > MOST_CONNECTIONS:
            # Never the newest: a browser brings all it has at once, and others would only have to
            # stay to keep it out.
            oldest = next(iter(self._visits))
            self._visits.pop(oldest).transport.abort()
            oldest.cancel()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = h11.Connection(h11.SERVER, max_incomplete_event_size=MOST_HEAD_BYTES)
        try:
            # Nobody's silence, or slowness, may keep a connection for ever.
            with suppress(OSError, TimeoutError, h11.RemoteProtocolError):
                async with asyncio.timeout(SECONDS):
                    request = await _read_head(connection, reader)
                    if request is not None:
                        await self._answer(request, connection, writer)
        finally:
            writer.close()

    async def _answer(
        self, request: h11.Request, connection: h11.Connection, writer: asyncio.StreamWriter
    ) -> None:
        parameters = _parameters(request)
        page = NOT_FOUND if parameters is None else STRANGE
        if parameters:
            page = self._judge.page(parameters)
        response = h11.Response(status_code=page.status, headers=page.headers)
        writer.write(connection.send(response) or b"")
        writer.write(connection.send(h11.Data(data=page.body)) or b"")
        try:
            await writer.drain()
        finally:
            # Also if the browser has gone: it has brought what it came for.
            if parameters:
                self._judge.take(parameters)


async def _read_head(
    connection: h11.Connection, reader: asyncio.StreamReader
) -> h11.Request | None:
    """The request without its body; None when the visitor says nothing, or goes."""
    while True:
        event = connection.next_event()
        if isinstance(event, h11.Request):
            return event
        if event is not h11.NEED_DATA:
            return None
        connection.receive_data(await reader.read(4096))


def _parameters(request: h11.Request) -> dict[str, str] | None:
    """What a redirect brings: None for a request that is none, nothing for a senseless one."""
    target = urlsplit(request.target.decode("ascii", "replace"))
    if request.method != b"GET" or target.path != PATH:
        return None
    try:
        pairs = parse_qsl(target.query, keep_blank_values=True, max_num_fields=32)
    except ValueError:
        return {}
    parameters = dict(pairs)
    # RFC 6749, section 3.1: none may come twice.
    return parameters if len(parameters) == len(pairs) else {}
