"""Where a browser comes back to after a login: a listener of the test's own on loopback."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import Empty, SimpleQueue

import pytest

from tests.support.programs import PATIENCE

__all__ = ["Landing", "running_landing"]

_PATH = "/callback"


@dataclass(frozen=True)
class Landing:
    """A listener that answers at one path, and remembers who came."""

    url: str
    """For the client's `redirect_uri`."""
    _came: SimpleQueue[str] = field(repr=False)

    def next_address(self) -> str:
        """The whole address that the browser asked for, query and all; waits for it."""
        try:
            return self._came.get(timeout=PATIENCE)
        except Empty:
            pytest.fail(f"nobody came to {self.url}")


@contextmanager
def running_landing() -> Iterator[Landing]:
    """One on a free port of 127.0.0.1."""
    came: SimpleQueue[str] = SimpleQueue()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            # A browser asks for a favicon as well.
            found = self.path.partition("?")[0] == _PATH
            self.send_response(200 if found else 404)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(b"<title>Landed</title>")
            if found:
                came.put(f"{origin}{self.path}")

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        origin = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield Landing(f"{origin}{_PATH}", came)
        finally:
            server.shutdown()
            thread.join()
