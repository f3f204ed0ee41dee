"""Asks the daemon: one HTTP request on one fresh connection.

The shim and `exec` do this in the time of a bare interpreter, so this module imports only what is
built into Python, and the tree of errors only once there is one. `agentkeys.starter` adds starting
a daemon where there is none.
"""

from __future__ import annotations

import _socket
import errno
import posix
import sys
import time

from agentkeys.protocol import (
    CLIENT_DEADLINE,
    PROTOCOL_HEADER,
    PROTOCOL_VERSION,
    SETTINGS_HEADER,
    handed_headers,
    settings_token,
)
from agentkeys.socket_path import socket_path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import ModuleType

__all__ = [
    "MAX_ANSWER",
    "Response",
    "check_server",
    "parse_response",
    "read_environment",
    "request",
    "whole_request",
]

MAX_ANSWER = 1_048_576
"""Bytes; the daemon's answers are a few kilobytes."""

_RETRY_SECONDS = 0.02


class Response:
    """What the daemon answered."""

    __slots__ = ("_head", "body", "status")

    def __init__(self, status: int, body: bytes, head: bytes = b"") -> None:
        self.status = status
        self.body = body
        self._head = head

    def header(self, name: str) -> str | None:
        """The value of the header `name`, which is in lower case; None where it is not there."""
        for line in self._head.split(b"\r\n")[1:]:
            found, _, value = line.partition(b": ")
            if found.lower() == name.encode("ascii"):
                return value.decode("latin-1")
        return None


def read_environment() -> dict[str, str]:
    """The process's environment, as `os.environ` would decode it, without importing `os`."""
    encoding = sys.getfilesystemencoding()
    return {
        name.decode(encoding, "surrogateescape"): value.decode(encoding, "surrogateescape")
        for name, value in posix.environ.items()
    }


def request(
    method: str,
    path: str,
    *,
    environ: Mapping[str, str],
    headers: tuple[tuple[str, str], ...] = (),
    body: bytes = b"",
    deadline: float | None = None,
    starting: bool = False,
) -> Response:
    """One answer of the daemon, whatever its status.

    `deadline` is on the monotonic clock. With `starting`, a socket that refuses is taken for one
    that does not listen yet. A daemon that ends before it answers counts as one that does not run.
    Raises DaemonNotRunning, DaemonTimeout, ProtocolError, PeerRefused.
    """
    end = time.monotonic() + CLIENT_DEADLINE if deadline is None else deadline
    connection = _connect(socket_path(environ, posix.getuid()), end, starting=starting)
    try:
        _send(connection, whole_request(method, path, environ, headers, body), end)
        return parse_response(_receive(connection, end))
    finally:
        connection.close()


def _connect(path: str, end: float, *, starting: bool) -> _socket.socket:
    waiting = (errno.EAGAIN, errno.ECONNREFUSED, errno.ENOENT) if starting else (errno.EAGAIN,)
    while True:
        connection = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM | _CLOEXEC)
        try:
            # Blocking with a limit: a full backlog answers EAGAIN to a socket with a time-out.
            connection.settimeout(_left(end))
            connection.connect(path)
            check_server(connection, path)
        except OSError as problem:
            connection.close()
            if problem.errno in waiting:
                _left(end)
                time.sleep(_RETRY_SECONDS)
                continue
            raise _failures().not_connected(path, problem) from problem
        except BaseException:
            connection.close()
            raise
        return connection


_CLOEXEC = getattr(_socket, "SOCK_CLOEXEC", 0)


def check_server(connection: _socket.socket, path: str) -> None:
    """Refuses a socket that another user answers: its credentials would be another identity's."""
    if not hasattr(_socket, "SO_PEERCRED"):
        return
    credentials = connection.getsockopt(_socket.SOL_SOCKET, _socket.SO_PEERCRED, 12)
    # Root is the system's systemd, which holds a socket for the daemon that it will start. A daemon
    # of root's own would refuse us.
    if int.from_bytes(credentials[4:8], sys.byteorder) not in (posix.getuid(), 0):
        raise _failures().another_user(path)


def whole_request(
    method: str,
    path: str,
    environ: Mapping[str, str],
    headers: tuple[tuple[str, str], ...] = (),
    body: bytes = b"",
) -> bytes:
    """All that is sent."""
    lines = [
        f"{method} {path} HTTP/1.1",
        "host: agentkeys",
        "connection: close",
        f"content-length: {len(body)}",
        f"{SETTINGS_HEADER}: {settings_token(environ, _folder)}",
    ]
    lines += [f"{name}: {value}" for name, value in (*handed_headers(environ, _folder), *headers)]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("ascii") + body


def _folder() -> str:
    try:
        return posix.getcwd()
    except FileNotFoundError as problem:
        raise _failures().folder_gone() from problem


def _send(connection: _socket.socket, content: bytes, end: float) -> None:
    try:
        connection.settimeout(_left(end))
        connection.sendall(content)
    except TimeoutError:
        raise _failures().too_late() from None
    except OSError:
        # The daemon may have answered and closed early, as it does to a peer that it refuses.
        return


def _receive(connection: _socket.socket, end: float) -> bytes:
    received = b""
    try:
        while len(received) <= MAX_ANSWER:
            connection.settimeout(_left(end))
            piece = connection.recv(65_536)
            if not piece:
                break
            received += piece
    except TimeoutError:
        raise _failures().too_late() from None
    except OSError as problem:
        # A daemon that refuses a peer hangs up without reading: an error, but after its answer.
        if not received:
            raise _failures().vanished() from problem
    if not received:
        raise _failures().vanished()
    if len(received) > MAX_ANSWER:
        raise _failures().broken()
    return received


def parse_response(received: bytes) -> Response:
    """All that was received, if it is a whole answer: half a document must never reach an SDK.

    Raises ProtocolError.
    """
    head, _, body = received.partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    status = lines[0].split(b" ")[1:2]
    if not status or not status[0].isdigit():
        raise _failures().broken()
    fields = dict(line.lower().split(b": ", 1) for line in lines[1:] if b": " in line)
    if fields.get(PROTOCOL_HEADER.encode()) != b"%d" % PROTOCOL_VERSION:
        raise _failures().other_version()
    if fields.get(b"content-length") != b"%d" % len(body):
        raise _failures().broken()
    return Response(int(status[0]), body, head)


def _left(end: float) -> float:
    left = end - time.monotonic()
    if left <= 0:
        raise _failures().too_late()
    return left


def _failures() -> ModuleType:
    # A request that works must not pay for importing the whole tree of errors.
    from agentkeys import client_failures  # noqa: PLC0415

    return client_failures
