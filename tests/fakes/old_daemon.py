"""A program: a daemon whose protocol has another number, as one from before an upgrade has.

    python old_daemon.py SOCKET [obeys] [hangs] [heedless] [handed]

It holds the lock and the pid file that every version has. What it answers is none of our business;
one that `obeys` ends when it is told to, on its own terms, one that `hangs` answers nothing, and
one that is `heedless` does not end at SIGTERM.
One that is `handed` its socket has it on standard input, from a parent that listens.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
from collections.abc import Collection
from pathlib import Path

import filelock

BODY = b'{"something": "else"}'
ANSWER = (
    b"HTTP/1.1 200 OK\r\nagentkeys-protocol: 999\r\ncontent-type: application/json\r\n"
    b"content-length: %d\r\nconnection: close\r\n\r\n%s" % (len(BODY), BODY)
)


def serve(path: Path, options: Collection[str]) -> None:
    lock = filelock.FileLock(f"{path}.lock")
    lock.acquire()
    if "heedless" in options:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    Path(f"{path}.pid").write_text(str(os.getpid()), encoding="ascii")
    with _handed() if "handed" in options else _own(path) as listening:
        print("ready", flush=True)
        while True:
            request = _answer_one(listening, b"" if "hangs" in options else ANSWER)
            if "obeys" in options and request.startswith(b"POST /v1/shutdown"):
                if "handed" not in options:
                    path.unlink()
                return


def _own(path: Path) -> socket.socket:
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listening.bind(str(path))
    listening.listen(100)
    return listening


def _handed() -> socket.socket:
    return socket.socket(fileno=os.dup(0))


def _answer_one(listening: socket.socket, answer: bytes) -> bytes:
    connection, _ = listening.accept()
    with connection:
        request = b""
        while b"\r\n\r\n" not in request:
            piece = connection.recv(65_536)
            if not piece:
                return request
            request += piece
        if not answer:
            # Until whoever asked has had enough of it.
            while connection.recv(65_536):
                pass
            return request
        connection.sendall(answer)
        return request


if __name__ == "__main__":
    serve(Path(sys.argv[1]), sys.argv[2:])
