"""A web server of a few pages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

__all__ = ["Pages", "running_pages"]


@dataclass
class Pages:
    """What a server has, and what it was asked for."""

    url: str
    content: dict[str, bytes]
    """By path; may be changed at any time."""
    asked: list[tuple[str, Mapping[str, str]]] = field(default_factory=list)
    """The path with its query, and the headers by lower-case name."""


@contextmanager
def running_pages(content: Mapping[str, bytes]) -> Iterator[Pages]:
    """Serves `content`, by paths, on loopback; queries make no difference."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            pages.asked.append((self.path, headers))
            found = pages.content.get(self.path.partition("?")[0])
            self.send_response(404 if found is None else 200)
            self.send_header("Content-Length", str(len(found or b"")))
            self.end_headers()
            self.wfile.write(found or b"")

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        pages = Pages(f"http://127.0.0.1:{server.server_port}", dict(content))
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield pages
        finally:
            server.shutdown()
            thread.join()
