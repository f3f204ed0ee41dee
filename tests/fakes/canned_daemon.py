"""Something at the daemon's socket that answers what a test wants, or nothing at all."""

from __future__ import annotations

import os
import select
import socket
import threading
from collections.abc import Mapping
from typing import Self

from tests.support.programs import PATIENCE, Home

__all__ = ["CannedDaemon"]

_ANSWER = b"HTTP/1.1 %d Told\r\nagentkeys-protocol: 1\r\ncontent-length: %d\r\n\r\n%s"


class CannedDaemon:
    """Answers each path of `answers` with its body, others with 404; None leaves all hanging."""

    def __init__(self, home: Home, answers: Mapping[str, bytes] | None) -> None:
        self._answers = answers
        home.socket.parent.mkdir(mode=0o700)
        self._path = home.socket
        self._listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listening.bind(str(home.socket))
        self._listening.listen(100)
        self._end_read, self._end_write = os.pipe()
        self._thread = threading.Thread(target=self._serve)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        os.close(self._end_write)
        self._thread.join(PATIENCE)
        os.close(self._end_read)
        self._listening.close()
        # What is left of us is nothing that anybody would have to stop.
        self._path.unlink()
        self._path.parent.rmdir()
        assert not self._thread.is_alive()

    def _serve(self) -> None:
        while not self._is_over(self._listening):
            connection, _ = self._listening.accept()
            with connection:
                if not self._is_over(connection):
                    self._answer(connection)

    def _answer(self, connection: socket.socket) -> None:
        request = connection.recv(65_536)
        if self._answers is None:
            # Until whoever asked has had enough of it.
            self._is_over(connection)
            return
        path = request.split(b" ")[1].decode()
        body = self._answers.get(path)
        connection.sendall(_ANSWER % (404 if body is None else 200, len(body or b""), body or b""))

    def _is_over(self, waited_for: socket.socket) -> bool:
        """Waits until there is something to read; True if the test ends before."""
        ready, _, _ = select.select([waited_for.fileno(), self._end_read], [], [])
        return self._end_read in ready
