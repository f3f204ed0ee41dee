"""Peers that share no pid namespace with us, and pids that are used again."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from agentkeys_daemon.peers import peer_of
from agentkeys_daemon.process_tree import ancestors
from tests.support.families import the_process
from tests.support.programs import new_home, read_line
from tests.support.raw_http import ask

OWN_NAMESPACE = ("unshare", "--pid", "--fork", "--kill-child", "--mount-proc")
LISTEN = """\
import socket, sys
from agentkeys_daemon.peers import peer_of
with socket.socket(socket.AF_UNIX) as listening:
    listening.bind(sys.argv[1])
    listening.listen()
    print("listening", flush=True)
    peer = peer_of(listening.accept()[0])
    print(peer.uid, peer.pid, peer.process, peer.is_elsewhere, flush=True)
"""
CONNECT = """\
import socket, sys
connection = socket.socket(socket.AF_UNIX)
connection.connect(sys.argv[1])
print("connected", flush=True)
sys.stdin.read()
"""
# In a namespace where nobody else is born, so that it is certain who gets which pid.
USE_PID_AGAIN = """\
import os, socket
from agentkeys.processes import ProcessId
from agentkeys_daemon.peers import peer_of

def child(work):
    pid = os.fork()
    if not pid:
        work()
        os._exit(0)
    return pid

def connect():
    socket.socket(socket.AF_UNIX).connect("\\0agentkeys-test")

with socket.socket(socket.AF_UNIX) as listening:
    listening.bind("\\0agentkeys-test")
    listening.listen()
    first = child(connect)
    connection = listening.accept()[0]
    os.waitpid(first, 0)
with open("/proc/sys/kernel/ns_last_pid", "w") as last:
    last.write(str(first - 1))
reader, writer = os.pipe()
second = child(lambda: os.read(reader, 1))
peer = peer_of(connection)
print(second == first, peer.pid == first, ProcessId.of(first) is not None, peer.process)
os.write(writer, b".")
"""


@pytest.fixture(autouse=True, scope="module")
def root() -> None:
    """Only root can leave a namespace alone."""
    done = subprocess.run([*OWN_NAMESPACE, "true"], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.fail(f"run these tests as root, on a real or virtual machine: {done.stderr}")


@contextmanager
def in_own_namespace(text: str, *arguments: str | Path) -> Iterator[subprocess.Popen[str]]:
    """A Python program whose parent, `unshare`, is our child."""
    argv = [*OWN_NAMESPACE, sys.executable, "-I", "-c", text, *map(str, arguments)]
    pipe = subprocess.PIPE
    with subprocess.Popen(argv, stdin=pipe, stdout=pipe, text=True) as process:
        yield process


def test_a_peer_of_another_namespace_is_elsewhere(tmp_path: Path) -> None:
    """All that is known of it is its user."""
    path = tmp_path / "s"
    with in_own_namespace(LISTEN, path) as program, socket.socket(socket.AF_UNIX) as connection:
        assert read_line(program.stdout) == "listening"
        connection.connect(str(path))
        assert read_line(program.stdout) == f"{os.getuid()} None None True"


def test_one_in_a_namespace_below_ours_is_as_any_other(tmp_path: Path) -> None:
    """Its pid is told as we know it, and whoever has started it is still above it."""
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "s"))
        listening.listen()
        with in_own_namespace(CONNECT, tmp_path / "s") as program:
            connection, _ = listening.accept()
            with connection:
                peer = peer_of(connection)
            assert peer
            assert peer.process
            assert not peer.is_elsewhere
            assert the_process(program.pid) in ancestors(peer.process)[1:]


def test_whoever_gets_a_peers_pid_is_not_the_peer() -> None:
    """The kernel tells them apart where the number does not."""
    with in_own_namespace(USE_PID_AGAIN) as program:
        assert read_line(program.stdout) == "True True True None"


def test_a_daemon_counts_it_as_inside_a_run() -> None:
    """It can't tell whose descendant it is, so that it only tells how it is."""
    with new_home() as home:
        daemon = ("agentkeys", "daemon", "run")
        with home.start(*OWN_NAMESPACE, home.program(daemon[0]), *daemon[1:]) as running:
            try:
                assert read_line(running.stderr) == "agentkeys: ready"
                assert ask(home, "GET", "/v1/health").status == 200
                refused = ask(home, "POST", "/v1/shutdown")
                assert refused.status == 403
                assert refused.error()["code"] == "inside_run"
                assert "another pid namespace" in refused.error()["message"]
            finally:
                running.kill()
