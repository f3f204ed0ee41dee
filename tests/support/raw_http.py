"""The daemon's socket without a client of ours in between."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPConnection
from typing import Any

from agentkeys.protocol import SETTINGS_HEADER, settings_token
from tests.support.programs import PATIENCE, Home

__all__ = ["RawAnswer", "ask", "connect", "converse", "converse_apart", "parse_answer"]

# Sends its input to a socket and prints all that comes back.
_APART = """\
import shutil, socket, sys
with socket.socket(socket.AF_UNIX) as connection:
    connection.connect(sys.argv[1])
    connection.sendall(sys.stdin.buffer.read())
    shutil.copyfileobj(connection.makefile("rb"), sys.stdout.buffer)
"""


@dataclass(frozen=True)
class RawAnswer:
    """One HTTP answer; header names are lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)

    def error(self) -> Mapping[str, Any]:
        """The error of a refusal, after a check that it is one and whole."""
        document = self.json()
        assert list(document) == ["error"]
        error: dict[str, Any] = document["error"]
        assert list(error) == ["code", "message", "hint", "retryable"]
        assert error["code"]
        assert error["message"]
        assert error["hint"]
        assert type(error["retryable"]) is bool
        assert 400 <= self.status < 600
        return error


class _UnixConnection(HTTPConnection):
    def __init__(self, home: Home) -> None:
        super().__init__("agentkeys")
        self._home = home

    def connect(self) -> None:
        self.sock = connect(self._home)


def connect(home: Home) -> socket.socket:
    """A connection to the daemon that runs in `home`."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(PATIENCE)
    connection.connect(str(home.socket))
    return connection


def ask(
    home: Home,
    method: str,
    path: str,
    *,
    body: bytes | None = None,
    settings: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> RawAnswer:
    """One request with the settings of `home`, or with those given.

    What begins a run is asked by a process of its own, which then ends, and the run with it: the
    tests would be inside of it.
    """
    token = settings_token(home.environment, os.getcwd) if settings is None else settings
    sent = {SETTINGS_HEADER: token, **(headers or {})}
    if method == "POST" and path.endswith("/runs"):
        sent |= {
            "host": "agentkeys",
            "connection": "close",
            "content-length": str(len(body or b"")),
        }
        lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in sent.items())]
        head = "\r\n".join(lines) + "\r\n\r\n"
        return parse_answer(converse_apart(home, head.encode() + (body or b"")))
    connection = _UnixConnection(home)
    try:
        connection.request(method, path, body=body, headers=sent)
        answer = connection.getresponse()
        received = {name.lower(): value for name, value in answer.getheaders()}
        return RawAnswer(answer.status, received, answer.read())
    finally:
        connection.close()


def converse(home: Home, sent: bytes) -> bytes:
    """All that comes back on a connection that sends `sent`, until the daemon closes it."""
    with connect(home) as connection:
        connection.sendall(sent)
        received = b""
        while piece := connection.recv(65_536):
            received += piece
    return received


def converse_apart(home: Home, sent: bytes) -> bytes:
    """The same from a process of its own; what is sent has to ask for that close."""
    argv = [sys.executable, "-I", "-S", "-c", _APART, str(home.socket)]
    done = subprocess.run(argv, input=sent, capture_output=True, timeout=PATIENCE, check=True)
    return done.stdout


def parse_answer(received: bytes) -> RawAnswer:
    """`received` as exactly one answer with a length."""
    head, _, body = received.partition(b"\r\n\r\n")
    first, *lines = head.decode("ascii").split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in lines)
    assert int(headers["content-length"]) == len(body)
    return RawAnswer(int(first.split(" ")[1]), headers, body)
