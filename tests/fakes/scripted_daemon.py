"""A daemon's socket that answers as it is told, or not at all."""

from __future__ import annotations

import socket
import socketserver
import threading
from contextlib import suppress
from pathlib import Path
from types import TracebackType
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
    """Sends `answer` to whoever asks, and hangs up; with None it lets them wait until it ends."""

    def __init__(self, path: Path, answer: bytes | None) -> None:
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

    def __exit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._over.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

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
        while not received.endswith(b"\r\n\r\n") and not self._over.is_set():
            with suppress(TimeoutError):
                received += connection.recv(65_536)
        if self._answer is not None:
            connection.settimeout(10)
            connection.sendall(self._answer)
            return
        while not self._over.is_set():
            with suppress(TimeoutError):
                if not connection.recv(1):
                    return

    def count(self, change: int) -> None:
        with self._changed:
            self._open += change
            self.most_open = max(self.most_open, self._open)
            self._changed.notify_all()


class _Server(socketserver.ThreadingUnixStreamServer):
    request_queue_size = 1024
    daemon_threads = False
