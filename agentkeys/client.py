"""Asks the daemon: one HTTP request on one fresh connection.

The shim and `exec` do this in the time of a bare interpreter, so this module imports only what is
built into Python. `agentkeys.starter` adds starting a daemon where there is none.
"""

from __future__ import annotations

import _socket
import errno
import posix
import sys
import time

from agentkeys import errors
from agentkeys.protocol import (
    CLIENT_DEADLINE,
    PROTOCOL_HEADER,
    PROTOCOL_VERSION,
    SETTINGS_HEADER,
    settings_token,
)
from agentkeys.socket_path import socket_path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["MAX_ANSWER", "Response", "read_environment", "refusal", "request"]

MAX_ANSWER = 1_048_576
"""Bytes; the daemon's answers are a few kilobytes."""

_RETRY_SECONDS = 0.02


class Response:
    """What the daemon answered."""

    __slots__ = ("body", "status")

    def __init__(self, status: int, body: bytes) -> None:
        self.status = status
        self.body = body


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
    that does not listen yet. Raises DaemonNotRunning, DaemonTimeout, ProtocolError, PeerRefused.
    """
    end = time.monotonic() + CLIENT_DEADLINE if deadline is None else deadline
    connection = _connect(socket_path(environ, posix.getuid()), end, starting=starting)
    try:
        _send(connection, _head(method, path, environ, headers, body) + body, end)
        return _parse(_receive(connection, end))
    finally:
        connection.close()


def refusal(response: Response) -> errors.AgentkeysError:
    """The error that a refused request stands for, as the daemon worded it."""
    # Only a failure pays for importing json.
    import json  # noqa: PLC0415

    try:
        error = json.loads(response.body)["error"]
        return errors.RemoteError(
            str(error["code"]),
            str(error["message"]),
            hint=str(error["hint"]),
            retryable=bool(error["retryable"]),
        )
    except (ValueError, KeyError, TypeError):
        return errors.ProtocolError(
            f"the daemon answered {response.status} without saying why",
            hint="run: agentkeys daemon restart",
        )


def _connect(path: str, end: float, *, starting: bool) -> _socket.socket:
    waiting = (errno.EAGAIN, errno.ECONNREFUSED, errno.ENOENT) if starting else (errno.EAGAIN,)
    while True:
        connection = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM | _CLOEXEC)
        try:
            # Blocking with a limit: a full backlog answers EAGAIN to a socket with a time-out.
            connection.settimeout(_left(end))
            connection.connect(path)
            _check_server(connection, path)
        except OSError as problem:
            connection.close()
            if problem.errno in waiting:
                _left(end)
                time.sleep(_RETRY_SECONDS)
                continue
            raise _not_connected(path, problem) from problem
        except BaseException:
            connection.close()
            raise
        return connection


_CLOEXEC = getattr(_socket, "SOCK_CLOEXEC", 0)


def _check_server(connection: _socket.socket, path: str) -> None:
    """Refuses a socket that another user answers: its credentials would be another identity's."""
    if not hasattr(_socket, "SO_PEERCRED"):
        return
    credentials = connection.getsockopt(_socket.SOL_SOCKET, _socket.SO_PEERCRED, 12)
    if int.from_bytes(credentials[4:8], sys.byteorder) != posix.getuid():
        raise errors.PeerRefused(
            f"another user answers at {path}", hint="set AGENTKEYS_SOCKET to a path of your own"
        )


def _not_connected(path: str, problem: OSError) -> errors.AgentkeysError:
    if isinstance(problem, TimeoutError):
        return _too_late()
    if problem.errno in (errno.ENOENT, errno.ECONNREFUSED):
        return errors.DaemonNotRunning("no daemon is running", hint="run: agentkeys daemon start")
    if problem.errno in (errno.EACCES, errno.EPERM):
        return errors.PeerRefused(
            f"the socket {path} is not yours to open", hint="set AGENTKEYS_SOCKET to one of yours"
        )
    return errors.DaemonNotRunning(
        f"the socket {path} cannot be used: {problem.strerror}", hint="check AGENTKEYS_SOCKET"
    )


def _head(
    method: str,
    path: str,
    environ: Mapping[str, str],
    headers: tuple[tuple[str, str], ...],
    body: bytes,
) -> bytes:
    lines = [
        f"{method} {path} HTTP/1.1",
        "host: agentkeys",
        "connection: close",
        f"content-length: {len(body)}",
        f"{SETTINGS_HEADER}: {settings_token(environ, posix.getcwd)}",
    ]
    lines += [f"{name}: {value}" for name, value in headers]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("ascii")


def _send(connection: _socket.socket, content: bytes, end: float) -> None:
    try:
        connection.settimeout(_left(end))
        connection.sendall(content)
    except TimeoutError:
        raise _too_late() from None
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
                return received
            received += piece
    except TimeoutError:
        raise _too_late() from None
    except OSError as problem:
        raise _broken() from problem
    raise _broken()


def _parse(received: bytes) -> Response:
    """Checks that it is a whole answer: half a document must never reach an SDK."""
    head, _, body = received.partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    status = lines[0].split(b" ")[1:2]
    if not status or not status[0].isdigit():
        raise _broken()
    fields = dict(line.lower().split(b": ", 1) for line in lines[1:] if b": " in line)
    if fields.get(PROTOCOL_HEADER.encode()) != b"%d" % PROTOCOL_VERSION:
        raise errors.ProtocolError(
            "the daemon speaks another version of the protocol",
            hint="run: agentkeys daemon restart",
        )
    if fields.get(b"content-length") != b"%d" % len(body):
        raise _broken()
    return Response(int(status[0]), body)


def _left(end: float) -> float:
    left = end - time.monotonic()
    if left <= 0:
        raise _too_late()
    return left


def _too_late() -> errors.AgentkeysError:
    return errors.DaemonTimeout(
        "the daemon did not answer in time", hint="try again, or run: agentkeys daemon restart"
    )


def _broken() -> errors.AgentkeysError:
    return errors.ProtocolError(
        "the daemon broke off its answer", hint="run: agentkeys daemon status"
    )
