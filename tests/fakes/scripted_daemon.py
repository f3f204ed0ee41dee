"""A daemon's socket that answers as it is told, or not at all."""

from __future__ import annotations

import socket
import socketserver
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Self

__all__ = ["ScriptedDaemon", "http_answer"]


def http_answer(
    body: bytes, *, status: int = 200, length: int | None = None, protocol: int = 1
) -> bytes:
    """One answer as the daemon writes it, or with a length or protocol that it does not have."""
    return (
        b"HTTP/1.1 %d OK\r\nagentkeys-protocol: %d\r\ncontent-length: %d\r\n\r\n"
        % (status, protocol, len(body) if length is None else length)
    ) + body


class ScriptedDaemon:
    """Sends `answer` to whoever asks, and hangs up; with None it lets them wait until it ends.

    A mapping has the bodies of answers by path; there is nothing at others. Where the daemon was,
    nothing is left that anybody would have to stop.
    """

    def __init__(self, path: Path, answer: bytes | Mapping[str, bytes] | None) -> None:
        self._path = path
        self._answer = answer
        self._over = threading.Event()
        self._changed = threading.Condition()
        self._open = 0
        self.most_open = 0
        """Connections that it had at the same time."""
        path.parent.mkdir(mode=0o700, exist_ok=True)
        self._server = _Server(str(path), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))

    def wait_for_open(self, number: int, timeout: float = 10.0) -> None:
        """Until it has exactly so many connections."""
        with self._changed:
            assert self._changed.wait_for(lambda: self._open == number, timeout), self._open

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._over.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        self._path.unlink()
        with suppress(OSError):  # somebody else has files beside it
            self._path.parent.rmdir()

    def _handler(self) -> type[socketserver.BaseRequestHandler]:
        daemon = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                daemon.count(+1)
                with suppress(OSError):
                    daemon.converse(self.request)
                daemon.count(-1)

        return Handler

    def converse(self, connection: socket.socket) -> None:
        connection.settimeout(0.02)
        received = b""
        # Without an answer, until whoever asked has had enough of it.
        while self._answer is None or not received.endswith(b"\r\n\r\n"):
            piece = self._next_piece(connection)
            if not piece:
                return
            received += piece
        connection.settimeout(10)
        connection.sendall(self._answer_to(received))

    def _next_piece(self, connection: socket.socket) -> bytes:
        """Nothing if no more comes, or this ends before."""
        while not self._over.is_set():
            with suppress(TimeoutError):
                return connection.recv(65_536)
        return b""

    def _answer_to(self, request: bytes) -> bytes:
        if not isinstance(self._answer, Mapping):
            return self._answer or b""
        body = self._answer.get(request.split(b" ")[1].decode())
        return http_answer(b"", status=404) if body is None else http_answer(body)

    def count(self, change: int) -> None:
        with self._changed:
            self._open += change
            self.most_open = max(self.most_open, self._open)
            self._changed.notify_all()


class _Server(socketserver.ThreadingUnixStreamServer):
    request_queue_size = 1024
    daemon_threads = False
