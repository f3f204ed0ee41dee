"""After an upgrade: a daemon that speaks another version of the protocol still runs."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import pytest

from agentkeys.processes import ProcessId
from tests.fakes import old_daemon
from tests.support.programs import Home, read_line

SHIM = "agentkeys-credential-process"
ERROR = "the daemon speaks another version of the protocol"
HINT = "run: agentkeys daemon restart"


@contextmanager
def old(home: Home, *options: str) -> Iterator[subprocess.Popen[str]]:
    """An old daemon at the socket of `home`."""
    home.socket.parent.mkdir(mode=0o700, exist_ok=True)
    program = old_daemon.__file__
    with home.start(sys.executable, "-I", program, home.socket, *options) as process:
        try:
            assert read_line(process.stdout) == "ready"
            yield process
        finally:
            process.kill()


@contextmanager
def handed(home: Home, *options: str) -> Iterator[subprocess.Popen[str]]:
    """The same at a socket that we hold for it, as a service manager does."""
    home.socket.parent.mkdir(mode=0o700, exist_ok=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listening:
        listening.bind(str(home.socket))
        listening.listen(100)
        argv = [sys.executable, "-I", old_daemon.__file__, str(home.socket), "handed", *options]
        pipe = subprocess.PIPE
        with subprocess.Popen(argv, stdin=listening.fileno(), stdout=pipe, text=True) as process:
            try:
                assert read_line(process.stdout) == "ready"
                yield process
            finally:
                process.kill()
                process.wait()
                home.socket.unlink()


@pytest.mark.parametrize(
    ("argv", "status"),
    [
        ([SHIM], 1),
        (["agentkeys", "credential-process"], 1),
        (["agentkeys", "exec", "--", "true"], 125),
        (["agentkeys", "status"], 1),
        (["agentkeys", "status", "--json"], 1),
        (["agentkeys", "whoami"], 1),
        (["agentkeys", "profiles"], 1),
        (["agentkeys", "logout"], 1),
        (["agentkeys", "daemon", "status"], 1),
        (["agentkeys", "daemon", "start"], 1),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_every_command_says_restart(home: Home, argv: list[str], status: int) -> None:
    """And takes nothing of what it does not understand for an answer."""
    with old(home):
        done = home.run(*argv)
        assert (done.status, done.stdout) == (status, "")
        assert done.complaint() == (ERROR, HINT)
        home.succeed("agentkeys", "daemon", "stop")


@pytest.mark.parametrize("options", [(), ("obeys",)], ids=["deaf", "obeys"])
def test_stop_ends_it(home: Home, options: tuple[str, ...]) -> None:
    """By a signal, whatever it makes of our request."""
    with old(home, *options) as process:
        assert home.succeed("agentkeys", "daemon", "stop") == "stopped\n"
        assert process.wait(timeout=60) is not None
    assert home.succeed("agentkeys", "daemon", "stop") == "no daemon was running\n"


@pytest.mark.parametrize("options", [(), ("obeys",)], ids=["deaf", "obeys"])
def test_stop_ends_it_at_a_socket_that_somebody_else_holds(
    home: Home, options: tuple[str, ...]
) -> None:
    """The daemon, and not whoever holds the socket and is the one that listens, for the kernel."""
    with handed(home, *options) as process:
        assert home.succeed("agentkeys", "daemon", "stop") == "stopped\n"
        assert process.wait(timeout=60) is not None


def test_stop_ends_one_that_hangs_at_a_socket_that_somebody_else_holds(home: Home) -> None:
    """After the time that any request gets."""
    with handed(home, "hangs") as process:
        assert home.succeed("agentkeys", "daemon", "stop") == "stopped\n"
        assert process.wait(timeout=60) is not None


@pytest.mark.parametrize("command", ["stop", "restart"])
def test_one_that_hangs_and_heeds_no_signal_is_killed(user_home: Home, command: str) -> None:
    """And the user is told so: whatever it held in memory alone is gone."""
    with old(user_home, "hangs", "heedless") as process:
        done = user_home.run("agentkeys", "daemon", command)
        assert done.status == 0
        assert done.stderr == f"agentkeys: the daemon, pid {process.pid}, hangs: killing it\n"
        assert process.wait(timeout=60) == -signal.SIGKILL


def test_stop_ends_one_whose_socket_somebody_has_removed(home: Home) -> None:
    """Nothing reaches it but a signal."""
    with old(home) as process:
        home.socket.unlink()
        assert home.succeed("agentkeys", "daemon", "stop") == "stopped\n"
        assert process.wait(timeout=60) is not None


def test_restart_puts_a_new_one_in_its_place(user_home: Home) -> None:
    """As every command's hint promises."""
    with old(user_home) as process:
        restarted = json.loads(user_home.succeed("agentkeys", "daemon", "restart", "--json"))
        assert restarted["daemon"]["protocol"] == 1
        assert process.wait(timeout=60) is not None
        user_home.succeed(SHIM)


@pytest.mark.parametrize("start", [old, handed], ids=["own socket", "handed"])
@pytest.mark.parametrize("record", ["1", "", "-1", "garbled", "somebody else", None])
def test_nothing_but_the_daemon_on_record_is_killed(
    home: Home,
    start: Callable[[Home], AbstractContextManager[subprocess.Popen[str]]],
    record: str | None,
) -> None:
    """What listens there may be anything, a whole session's service manager: no pid is told."""
    with start(home) as process:
        pid_file = home.socket.with_name(f"{home.socket.name}.pid")
        with subprocess.Popen(["sleep", "600"]) as bystander:
            named = str(bystander.pid) if record == "somebody else" else record
            if named is None:
                pid_file.unlink()
            else:
                pid_file.write_text(named, encoding="ascii")
            for command in ("stop", "restart"):
                done = home.run("agentkeys", "daemon", command)
                assert (done.status, done.stdout) == (1, "")
                error, hint = done.complaint()
                assert "is not the daemon on record" in error
                assert hint == (
                    f"end whatever holds {home.socket}.lock, "
                    "or set AGENTKEYS_SOCKET to another path"
                )
            assert ProcessId.of(process.pid)
            assert ProcessId.of(bystander.pid)
            bystander.kill()
        pid_file.write_text(str(process.pid), encoding="ascii")
        home.succeed("agentkeys", "daemon", "stop")
