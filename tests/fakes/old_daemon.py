"""A program: a daemon whose protocol has another number, as one from before an upgrade has.

    python old_daemon.py SOCKET [obeys]

It holds the lock and the pid file that every version has. What it answers is none of our business;
one that `obeys` ends when it is told to, on its own terms.
"""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

import filelock

BODY = b'{"something": "else"}'
ANSWER = (
    b"HTTP/1.1 200 OK\r\nagentkeys-protocol: 999\r\ncontent-type: application/json\r\n"
    b"content-length: %d\r\nconnection: close\r\n\r\n%s" % (len(BODY), BODY)
)


def serve(path: Path, *, obeys: bool) -> None:
    lock = filelock.FileLock(f"{path}.lock")
    lock.acquire()
    Path(f"{path}.pid").write_text(str(os.getpid()), encoding="ascii")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listening:
        listening.bind(str(path))
        listening.listen(100)
        print("ready", flush=True)
        while True:
            request = _answer_one(listening)
            if obeys and request.startswith(b"POST /v1/shutdown"):
                path.unlink()
                return


def _answer_one(listening: socket.socket) -> bytes:
    connection, _ = listening.accept()
    with connection:
        request = b""
        while b"\r\n\r\n" not in request:
            piece = connection.recv(65_536)
            if not piece:
                return request
            request += piece
        connection.sendall(ANSWER)
        return request


if __name__ == "__main__":
    serve(Path(sys.argv[1]), obeys="obeys" in sys.argv[2:])
