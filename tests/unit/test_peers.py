"""Who is at the other end of a connection on our socket."""

from __future__ import annotations

import errno
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from agentkeys.processes import ProcessId
from agentkeys_daemon.linux_peers import is_there
from agentkeys_daemon.peers import Peer, is_ours, itself, peer_of
from tests.support.families import a_program, the_process, wait_for_end
from tests.support.programs import read_line

CONNECT = """\
import socket, sys
connection = socket.socket(socket.AF_UNIX)
connection.connect(sys.argv[1])
print("connected", flush=True)
sys.stdin.read()
"""
CONNECT_AND_FORK = """\
import os, socket, sys
connection = socket.socket(socket.AF_UNIX)
connection.connect(sys.argv[1])
if os.fork():
    os._exit(0)
print("connected", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def listening(tmp_path: Path) -> Iterator[socket.socket]:
    """A socket of ours, and no descriptor left open when the test is through."""
    before = os.listdir("/proc/self/fd")  # noqa: PTH208 - names alone
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "s"))
        listener.listen()
        yield listener
    assert os.listdir("/proc/self/fd") == before  # noqa: PTH208


@contextmanager
def accepted(listening: socket.socket) -> Iterator[socket.socket]:
    connection, _ = listening.accept()
    with connection:
        yield connection


def test_a_peer_is_the_process_that_has_connected(listening: socket.socket) -> None:
    """With what it runs, what its parent runs and where."""
    with a_program(CONNECT, listening.getsockname()) as client, accepted(listening) as connection:
        peer = peer_of(connection)
        assert peer == Peer(os.getuid(), client.pid, the_process(client.pid))
        assert is_ours(peer)
        python = os.path.realpath(sys.executable)
        assert (peer.executable(), peer.folder()) == (python, str(Path.cwd()))
        assert peer.parent_executable() == os.readlink("/proc/self/exe")  # noqa: PTH115
        assert not peer.is_elsewhere


def test_one_that_has_ended_is_nobody_in_particular(listening: socket.socket) -> None:
    """Its pid is still known, as far as that goes."""
    with a_program(CONNECT, listening.getsockname()) as client, accepted(listening) as connection:
        assert read_line(client.stdout) == "connected"
        client.kill()
        wait_for_end(client)
        assert peer_of(connection) == Peer(os.getuid(), client.pid, process=None)
        client.wait()
        assert peer_of(connection) == Peer(os.getuid(), client.pid, process=None)


def test_a_connection_is_not_handed_on(listening: socket.socket) -> None:
    """Who has inherited it is not the peer: nobody could tell in how many hands it has been."""
    name = listening.getsockname()
    with a_program(CONNECT_AND_FORK, name) as client, accepted(listening) as connection:
        assert read_line(client.stdout) == "connected"
        client.wait(timeout=60)
        assert peer_of(connection) == Peer(os.getuid(), client.pid, process=None)


def test_a_closed_connection_has_no_peer() -> None:
    """Which is no peer of ours."""
    ours, theirs = socket.socketpair()
    ours.close()
    theirs.close()
    assert peer_of(ours) is None
    assert not is_ours(None)


def test_another_user_is_not_ours() -> None:
    """Nor is root, where we are somebody else."""
    assert not is_ours(Peer(os.getuid() + 1, os.getpid()))


def test_the_daemon_is_a_peer_too() -> None:
    """Of whatever it does unasked."""
    peer = itself()
    assert is_ours(peer)
    assert peer.process == ProcessId.of(os.getpid())


def test_of_one_whose_pid_is_not_told_nothing_is_known() -> None:
    """As of a process in another namespace."""
    peer = Peer(os.getuid(), None, is_elsewhere=True)
    assert (peer.executable(), peer.parent_executable(), peer.folder()) == (None, None, None)


class _Refusing(socket.socket):
    """One of which the kernel does not tell what is asked."""

    def __init__(self, number: int) -> None:
        super().__init__(socket.AF_UNIX)
        self._number = number

    def getsockopt(self, *_: int) -> Any:
        raise OSError(self._number, os.strerror(self._number))


@pytest.mark.parametrize(
    ("number", "is_believed"),
    [
        pytest.param(errno.ENOPROTOOPT, True, id="a kernel that is too old"),
        pytest.param(errno.ENOSYS, True, id="something that plays a kernel"),
        pytest.param(errno.EINVAL, False, id="one to which the peer is gone"),
        pytest.param(errno.ESRCH, False, id="one to which it has ended"),
        pytest.param(errno.ENODATA, False, id="one to which it never was"),
    ],
)
def test_a_kernel_is_believed_where_it_cannot_tell(number: int, is_believed: bool) -> None:
    """And not where it says that nobody is there."""
    with _Refusing(number) as connection:
        assert is_there(connection) is is_believed
