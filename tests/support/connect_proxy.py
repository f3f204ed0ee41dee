"""A proxy on loopback that tunnels, wherever its clients want to go, to one server of a test."""

from __future__ import annotations

import select
import socket
import threading
from contextlib import suppress
from socketserver import StreamRequestHandler, ThreadingTCPServer
from typing import Self
from urllib.parse import urlsplit

__all__ = ["ConnectProxy"]


class ConnectProxy:
    """Runs while its `with` block does; `tunnels` is what was asked for, as host:port.

    It stands for the names and routes of a network that tests do not have.
    """

    def __init__(self, upstream: str) -> None:
        parts = urlsplit(upstream)
        self.tunnels: list[str] = []
        self.heads: list[str] = []
        """All that its clients told it, and not who they talk to."""
        proxy, address = self, (parts.hostname, parts.port)

        class Handler(StreamRequestHandler):
            def handle(self) -> None:
                head = b"".join(iter(self.rfile.readline, b"\r\n")).decode()
                proxy.heads.append(head)
                method, _, rest = head.partition(" ")
                if method != "CONNECT":
                    self.wfile.write(b"HTTP/1.1 405 Method Not Allowed\r\n\r\n")
                    return
                proxy.tunnels.append(rest.split()[0])
                with socket.create_connection(address) as there:
                    self.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
                    _pump(self.connection, there)

        self._server = ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
        )

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _pump(here: socket.socket, there: socket.socket) -> None:
    """Until either side ends."""
    other = {here: there, there: here}
    with suppress(ConnectionError):
        while True:
            for ready in select.select([here, there], [], [])[0]:
                piece = ready.recv(65_536)
                if not piece:
                    return
                other[ready].sendall(piece)
