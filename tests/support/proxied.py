"""One request on its way through a proxy, and the connection that it came on."""

from __future__ import annotations

import asyncio
import socket
import struct

__all__ = ["ProxiedExchange", "read_request"]

_ABORT = struct.pack("ii", 1, 0)
"""SO_LINGER for no time at all, which makes a close a reset."""


async def read_request(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    """The head, made to say that the connection ends with the answer, and the body.

    Raises EOFError and OSError when the client goes before that.
    """
    first, *fields = (await reader.readuntil(b"\r\n\r\n")).rstrip(b"\r\n").split(b"\r\n")
    values = dict(field.lower().split(b": ", 1) for field in fields)
    body = await reader.readexactly(int(values.get(b"content-length", 0)))
    kept = [field for field in fields if not field.lower().startswith(b"connection:")]
    return b"\r\n".join([first, *kept, b"connection: close"]) + b"\r\n\r\n", body


class ProxiedExchange:
    """What faults see of a request; every call raises OSError or EOFError when a side goes."""

    def __init__(
        self,
        upstream: tuple[str, int],
        request: bytes,
        *,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        released: asyncio.Event,
    ) -> None:
        self._upstream = upstream
        self._request = request
        self._reader = reader
        self._writer = writer
        self._released = released

    async def forward(self) -> bytes:
        reader, writer = await asyncio.open_connection(*self._upstream)
        try:
            writer.write(self._request)
            return await reader.read()
        finally:
            writer.close()

    async def send(self, content: bytes) -> None:
        self._writer.write(content)
        await self._writer.drain()

    async def hold(self, seconds: float | None = None) -> None:
        gone = asyncio.ensure_future(self._reader.read())
        released = asyncio.ensure_future(self._released.wait())
        waiting = {gone, released}
        try:
            await asyncio.wait(waiting, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in waiting:
                task.cancel()
        if gone.done() and not gone.cancelled():
            gone.result()
            raise EOFError("the client has gone")

    def reset(self) -> None:
        self._writer.get_extra_info("socket").setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, _ABORT
        )
        self._writer.transport.abort()
