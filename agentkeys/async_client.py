"""Asks the daemon from an event loop: as `agentkeys.client` does, and without a thread.

A thread that waits for a stuck daemon could not be cancelled, and would keep the interpreter from
ending; what is awaited here is gone as soon as it is cancelled.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping
from contextlib import suppress

from anyio import (
    BrokenResourceError,
    CapacityLimiter,
    EndOfStream,
    connect_unix,
    fail_after,
    sleep,
)
from anyio.abc import SocketAttribute, UNIXSocketStream
from anyio.lowlevel import RunVar

from agentkeys.client import MAX_ANSWER, Response, check_server, parse_response, whole_request
from agentkeys.client_failures import broken, not_connected, too_late, vanished
from agentkeys.socket_path import socket_path

__all__ = ["request_async"]

AT_ONCE = 32
"""Connections of one event loop; whatever more is asked waits for a place."""

_RETRY_SECONDS = 0.02
_places: RunVar[CapacityLimiter] = RunVar("agentkeys_places")


async def request_async(
    method: str,
    path: str,
    *,
    environ: Mapping[str, str],
    headers: tuple[tuple[str, str], ...] = (),
    seconds: float,
    starting: bool = False,
) -> Response:
    """One answer of the daemon, whatever its status, within so many seconds.

    With `starting`, a socket that refuses is taken for one that does not listen yet. Raises
    DaemonNotRunning, DaemonTimeout, ProtocolError, PeerRefused; works in every event loop that
    anyio knows.
    """
    where = socket_path(environ, os.getuid())
    content = whole_request(method, path, environ, headers)
    try:
        with fail_after(seconds):
            async with _limiter(), await _connect(where, starting=starting) as stream:
                check_server(stream.extra(SocketAttribute.raw_socket), where)  # noqa: S610 - no SQL
                return parse_response(await _exchange(stream, content))
    except TimeoutError:
        raise too_late() from None


def _limiter() -> CapacityLimiter:
    """The places of the running event loop."""
    try:
        return _places.get()
    except LookupError:
        limiter = CapacityLimiter(AT_ONCE)
        _places.set(limiter)
        return limiter


async def _connect(where: str, *, starting: bool) -> UNIXSocketStream:
    waiting = (errno.ECONNREFUSED, errno.ENOENT) if starting else ()
    while True:
        try:
            return await connect_unix(where)
        except OSError as problem:
            if problem.errno not in waiting:
                raise not_connected(where, problem) from problem
        await sleep(_RETRY_SECONDS)


async def _exchange(stream: UNIXSocketStream, content: bytes) -> bytes:
    # A daemon that refuses a peer answers and hangs up without reading.
    with suppress(BrokenResourceError):
        await stream.send(content)
    received = b""
    with suppress(EndOfStream, BrokenResourceError):
        while len(received) <= MAX_ANSWER:
            received += await stream.receive()
    if not received:
        raise vanished()
    if len(received) > MAX_ANSWER:
        raise broken()
    return received
