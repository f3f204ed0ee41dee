"""Another user of the machine gets nothing from the daemon, and cannot pass for it."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

import agentkeys
from agentkeys.errors import PeerRefused
from tests.support.programs import Home, new_home

SHIM = "agentkeys-credential-process"
NOBODY = 65534


@pytest.fixture(autouse=True, scope="module")
def root() -> None:
    """Only root can be somebody else for a moment."""
    assert os.getuid() == 0, "run these tests as root: they act as another user"


@pytest.fixture
def home() -> Iterator[Home]:
    """One of our own, with a sandbox identity that nobody has to log in for."""
    with new_home() as empty:
        yield empty


@contextmanager
def somebody_else(work: Callable[[int], None]) -> Iterator[tuple[int, int]]:
    """A process of another user that does `work`, which writes to the pipe it is given.

    A fork, since an interpreter below a private home is not theirs to run. Yields its pid and the
    pipe's other end.
    """
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.close(reader)
            os.setgroups([])
            os.setresgid(NOBODY, NOBODY, NOBODY)
            os.setresuid(NOBODY, NOBODY, NOBODY)
            work(writer)
        except BaseException:  # noqa: BLE001 - whatever happens, the test ends here in the fork
            os.write(writer, traceback.format_exc().encode())
        finally:
            os._exit(0)
    os.close(writer)
    try:
        yield pid, reader
    finally:
        os.close(reader)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def told_by_somebody_else(work: Callable[[int], None]) -> str:
    with somebody_else(work) as (_, reader), os.fdopen(os.dup(reader), "rb") as pipe:
        return pipe.read().decode()


def ask(path: Path, request: bytes, pipe: int) -> None:
    """One request at a socket; the answer, or why there is none, goes into the pipe."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(60)
        try:
            connection.connect(str(path))
        except OSError as problem:
            os.write(pipe, type(problem).__name__.encode())
            return
        # The daemon hangs up without reading what it was sent: that may be an error at this end.
        with suppress(BrokenPipeError, ConnectionResetError):
            connection.sendall(request)
        with suppress(ConnectionResetError):
            while piece := connection.recv(65_536):
                os.write(pipe, piece)


REQUESTS = [
    b"GET /v1/profiles/data/credentials HTTP/1.1\r\nhost: agentkeys\r\n\r\n",
    b"GET /v1/status HTTP/1.1\r\nhost: agentkeys\r\n\r\n",
    b"POST /v1/shutdown HTTP/1.1\r\nhost: agentkeys\r\ncontent-length: 0\r\n\r\n",
    b"not HTTP at all\r\n\r\n",
]


ANSWER = (
    b"HTTP/1.1 200 OK\r\nagentkeys-protocol: 1\r\ncontent-length: 40\r\n\r\n"
    b'{"Version": 1, "AccessKeyId": "theirs"}\n'
)


def open_to_all(home: Home) -> None:
    """What no user should do: the socket and the way to it, for everybody to use."""
    for folder in (home.folder, home.socket.parent):
        folder.chmod(0o777)
    home.socket.chmod(0o777)


def test_the_modes_keep_another_user_out(home: Home) -> None:
    """They cannot even connect, wherever the socket lies."""
    home.succeed("agentkeys", "daemon", "start")
    assert told_by_somebody_else(lambda pipe: ask(home.socket, REQUESTS[0], pipe)) == (
        "PermissionError"
    )
    home.folder.chmod(0o755)
    assert told_by_somebody_else(lambda pipe: ask(home.socket, REQUESTS[0], pipe)) == (
        "PermissionError"
    )
    home.socket.parent.chmod(0o755)
    assert told_by_somebody_else(lambda pipe: ask(home.socket, REQUESTS[0], pipe)) == (
        "PermissionError"
    )


@pytest.mark.parametrize("request_", REQUESTS, ids=["credentials", "status", "shutdown", "noise"])
def test_the_daemon_refuses_another_user_by_itself(home: Home, request_: bytes) -> None:
    """Where all modes are open the kernel's word on the peer decides; nothing else is answered."""
    home.succeed("agentkeys", "daemon", "start")
    pid = home.daemon_pid()
    open_to_all(home)
    answer = told_by_somebody_else(lambda pipe: ask(home.socket, request_, pipe))
    head, _, body = answer.partition("\r\n\r\n")
    assert head.startswith("HTTP/1.1 403 "), answer
    assert json.loads(body)["error"]["code"] == "peer_refused"
    assert answer.count("HTTP/1.1") == 1
    assert home.daemon_pid() == pid


def test_other_users_cannot_keep_the_daemon_from_answering(home: Home) -> None:
    """Their connections are closed at once, however many they open."""
    home.succeed("agentkeys", "daemon", "start")
    open_to_all(home)

    def crowd(pipe: int) -> None:
        connections = [socket.socket(socket.AF_UNIX) for _ in range(200)]
        for connection in connections:
            connection.connect(str(home.socket))
        os.write(pipe, b"connected")
        for connection in connections:
            while connection.recv(65_536):
                pass
        os.write(pipe, b", closed")
        signal.pause()

    with somebody_else(crowd) as (_, reader):
        said = b""
        while said != b"connected, closed":
            said += os.read(reader, 100) or pytest.fail(said.decode())
        assert home.daemon_pid()


def test_another_users_daemon_is_not_believed(home: Home) -> None:
    """Its credentials would be somebody else's; it learns nothing of our settings either."""
    home.folder.chmod(0o711)
    home.socket.parent.mkdir()
    home.socket.parent.chmod(0o777)

    def impersonate(pipe: int) -> None:
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(home.socket))
            home.socket.chmod(0o777)
            listener.listen()
            os.write(pipe, b"ready")
            while True:
                connection, _ = listener.accept()
                with connection:
                    heard = connection.recv(65_536)
                    os.write(pipe, b"[%s]" % heard)
                    if heard:
                        connection.sendall(ANSWER)

    with somebody_else(impersonate) as (_, reader):
        assert os.read(reader, 100) == b"ready"
        for argv, status in (
            ([SHIM], 1),
            (["agentkeys", "exec", "--", "true"], 125),
            (["agentkeys", "status", "--json"], 1),
            (["agentkeys", "whoami"], 1),
            (["agentkeys", "daemon", "stop"], 1),
        ):
            done = home.run(*argv)
            assert (done.status, done.stdout) == (status, "")
            error, _ = done.complaint()
            assert error == f"another user answers at {home.socket}"
            assert os.read(reader, 65_536) == b"[]"
        client = agentkeys.Client(environ=home.environment)
        with pytest.raises(PeerRefused, match="another user answers"):
            client.credentials()
        assert os.read(reader, 65_536) == b"[]"
        awaited = agentkeys.AsyncClient(environ=home.environment)
        with pytest.raises(PeerRefused, match="another user answers"):
            asyncio.run(awaited.credentials())
        assert os.read(reader, 65_536) == b"[]"
    home.socket.unlink()
    home.socket.parent.rmdir()


def test_no_daemon_starts_where_others_may_write(home: Home) -> None:
    """They could put a socket of theirs in its place."""
    home.socket.parent.mkdir()
    home.socket.parent.chmod(0o777)
    done = home.run(SHIM)
    assert (done.status, done.stdout) == (4, "")
    error, hint = done.complaint()
    assert str(home.socket.parent) in error
    assert hint.endswith(f"chmod 700 {home.socket.parent}")
    home.socket.parent.rmdir()
