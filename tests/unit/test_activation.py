"""Which handed-over sockets a daemon takes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from agentkeys_daemon.activation import clean_environment

# The protocol's descriptor is 3, which in this process is something else's: so each case is a
# process of its own, in which `make` makes the descriptor.
SCRIPT = """
import os, socket, sys, tempfile
from agentkeys.errors import DaemonError
from agentkeys_daemon.activation import take_handed_socket

path = sys.argv[1]

def place(handed):
    os.dup2(handed.fileno(), 3)
    return handed

def listening(kind=socket.SOCK_STREAM, at=path):
    handed = socket.socket(socket.AF_UNIX, kind)
    handed.bind(at)
    handed.listen()
    return place(handed)

environ = {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "1", "LISTEN_FDNAMES": "agentkeys.socket"}
handed = None
exec(sys.argv[2])
try:
    found = take_handed_socket(environ)
except DaemonError as problem:
    print(problem.message)
else:
    print(found and (found.socket.fileno(), str(found.path), found.socket.get_inheritable()))
print(sorted(environ))
"""


def take(tmp_path: Path, make: str) -> tuple[str, str]:
    """What is found after `make`, and the names that are left in the environment."""
    done = subprocess.run(
        [sys.executable, "-I", "-c", SCRIPT, str(tmp_path / "s"), make],
        capture_output=True,
        text=True,
        check=True,
        cwd="/",
    )
    found, names = done.stdout.splitlines()
    return found, names


def test_the_socket_that_is_handed_over_is_taken(tmp_path: Path) -> None:
    """With the path it is bound to; children get neither it nor the variables."""
    found = take(tmp_path, "handed = listening()")
    assert found == (str((3, str(tmp_path / "s"), False)), "[]")


def test_it_may_be_named(tmp_path: Path) -> None:
    """AGENTKEYS_SOCKET has to name that very path."""
    make = "handed = listening(); environ['AGENTKEYS_SOCKET'] = path"
    assert take(tmp_path, make)[0].startswith("(3, ")


@pytest.mark.parametrize(
    "make",
    ["environ = {}", "environ['LISTEN_PID'] = '1'", "environ.pop('LISTEN_PID')"],
)
def test_what_is_for_another_process_is_not_taken(tmp_path: Path, make: str) -> None:
    """The variables of a parent are gone in any case."""
    assert take(tmp_path, f"handed = listening(); {make}") == ("None", "[]")


@pytest.mark.parametrize(
    ("make", "error"),
    [
        ("environ['LISTEN_FDS'] = '2'", "2 sockets were handed over, not one"),
        ("environ['LISTEN_FDS'] = ''", "no sockets were handed over, not one"),
        ("os.close(3) if os.path.exists('/dev/fd/3') else None", "is no socket: "),
        ("handed = place(open('/dev/null'))", "is no socket: "),
        (
            "handed = place(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))",
            "is no listening Unix stream socket",
        ),
        (
            "handed = listening(socket.SOCK_SEQPACKET)",
            "is no listening Unix stream socket",
        ),
        (
            "handed = socket.socket(); handed.listen(); place(handed)",
            "is no listening Unix stream socket",
        ),
        ("handed = listening(at='\\0agentkeys-' + path)", "has no absolute path"),
        ("os.chdir(os.path.dirname(path)); handed = listening(at='s')", "has no absolute path"),
        (
            "handed = listening(); environ['AGENTKEYS_SOCKET'] = '/elsewhere'",
            "AGENTKEYS_SOCKET is /elsewhere",
        ),
    ],
)
def test_anything_else_is_an_error(tmp_path: Path, make: str, error: str) -> None:
    """Rather than a daemon that nobody finds, or that others could reach."""
    assert error in take(tmp_path, make)[0]


def test_of_a_service_managers_environment_it_keeps_what_a_client_would_give() -> None:
    """No AWS setting, and nothing that changes what Python imports."""
    ours = {"HOME": "/home/me", "XDG_RUNTIME_DIR": "/run/user/1000", "AGENTKEYS_VAULT": "memory"}
    environ = {**ours, "AWS_PROFILE": "inherited", "PYTHONPATH": "/elsewhere", "PASSWORD": "secret"}
    clean_environment(environ)
    assert environ == ours
