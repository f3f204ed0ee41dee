"""However many want the daemon, and whatever its predecessor has left behind, there is one."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import filelock
import pytest

from agentkeys.errors import DaemonTimeout
from agentkeys.processes import ProcessId
from agentkeys.starter import ensure_daemon
from agentkeys_shell.sandbox.processes import wait_until
from tests.support import racing
from tests.support.programs import Finished, Home

SHIM = "agentkeys-credential-process"
RACE_SECONDS = 300.0
"""For a hundred processes on a machine that has other things to do."""


def race(home: Home, count: int) -> list[str]:
    """The pids of the daemons that answered `count` processes."""
    done = home.run(sys.executable, "-I", racing.__file__, str(count), patience=RACE_SECONDS)
    assert (done.status, done.stderr) == (0, "")
    return done.stdout.splitlines()


def serving(home: Home) -> list[int]:
    """The pids of all daemons that have ever served here."""
    lines = home.succeed("agentkeys", "daemon", "logs", "--json", "-n", "1000").splitlines()
    entries = [json.loads(line) for line in lines]
    return [entry["pid"] for entry in entries if entry["message"].startswith("serving")]


def at_once(home: Home, count: int) -> list[Finished]:
    """What that many shims, started together, end with."""
    with ThreadPoolExecutor(count) as pool:
        return [ask.result() for ask in [pool.submit(home.run, SHIM) for _ in range(count)]]


def test_a_hundred_that_start_it_at_once_find_one(home: Home) -> None:
    """All are answered, by the same daemon, and no other has ever served."""
    pids = race(home, 100)
    assert len(pids) == 100
    assert pids == [str(home.daemon_pid())] * 100
    assert serving(home) == [home.daemon_pid()]


def test_a_hundred_at_once_find_one_after_a_kill(home: Home) -> None:
    """The socket, the lock file and the pid file of the killed one are still there."""
    first = int(race(home, 1)[0])
    os.kill(first, signal.SIGKILL)
    pids = race(home, 100)
    assert pids == [str(home.daemon_pid())] * 100
    assert serving(home) == [first, home.daemon_pid()]


def test_after_a_kill_everybody_is_served_by_one_new_daemon(user_home: Home) -> None:
    """Also those who come while the old one is still dying."""
    user_home.succeed(SHIM)
    first = user_home.daemon_pid()
    assert first
    os.kill(first, signal.SIGKILL)
    answers = at_once(user_home, 20)
    assert [(done.status, done.stderr) for done in answers] == [(0, "")] * 20
    assert len({done.stdout for done in answers}) == 1
    assert serving(user_home) == [first, user_home.daemon_pid()]


def test_a_request_whose_daemon_dies_is_asked_again(user_home: Home) -> None:
    """Killed after it took the request and before it answered: the client starts another."""
    user_home.succeed("agentkeys", "daemon", "start")
    first = user_home.daemon_pid()
    assert first
    os.kill(first, signal.SIGSTOP)
    with user_home.start(SHIM) as waiting:
        # Its connection is in the queue of a daemon that does not move.
        assert wait_until(lambda: queued(user_home) > 0, seconds=60)
        os.kill(first, signal.SIGKILL)
        stdout, stderr = waiting.communicate(timeout=60)
    assert (waiting.returncode, stderr) == (0, "")
    assert json.loads(stdout)["AccessKeyId"]
    assert serving(user_home) == [first, user_home.daemon_pid()]


def test_a_start_that_never_ends_is_not_waited_for(home: Home) -> None:
    """Another command has the lock and does not get on."""
    home.socket.parent.mkdir(mode=0o700)
    with (
        filelock.FileLock(home.socket.parent / "start.lock"),
        pytest.raises(DaemonTimeout),
    ):
        ensure_daemon(home.environment, deadline=time.monotonic() + 0.2)


def test_who_hangs_up_every_time_is_not_asked_for_ever(home: Home) -> None:
    """Twice is enough; it is not replaced either, since it listens."""
    asked = []

    def hang_up(listening: socket.socket) -> None:
        while connection := accepted(listening):
            asked.append(connection.recv(65_536).partition(b" HTTP")[0])
            connection.close()

    home.socket.parent.mkdir(mode=0o700)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listening:
        listening.bind(str(home.socket))
        listening.listen(100)
        server = threading.Thread(target=hang_up, args=(listening,))
        server.start()
        done = home.run(SHIM)
        listening.shutdown(socket.SHUT_RDWR)
        server.join()
    assert (done.status, done.stdout) == (4, "")
    assert done.complaint()[0] == "the daemon ended before it answered"
    assert asked.count(b"GET /v1/profiles/@default/credentials") == 2


def accepted(listening: socket.socket) -> socket.socket | None:
    """The next connection; None once it is shut down."""
    try:
        return listening.accept()[0]
    except OSError:
        return None


def queued(home: Home) -> int:
    """Connections to the socket that nobody has taken yet, in the words of /proc/net/unix."""
    with open("/proc/net/unix", encoding="utf-8") as file:  # noqa: PTH123
        states = [line.split()[5] for line in file if line.endswith(f" {home.socket}\n")]
    return sum(state == CONNECTING for state in states)


CONNECTING = "02"


@pytest.mark.parametrize("held", [False, True], ids=["left behind", "held by a process"])
def test_a_socket_on_which_nobody_listens_is_replaced(user_home: Home, held: bool) -> None:
    """At once: nobody waits for it to answer."""
    user_home.socket.parent.mkdir(mode=0o700)
    stale = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    with stale:
        stale.bind(str(user_home.socket))
        if not held:
            stale.close()
        user_home.succeed(SHIM)
        assert user_home.daemon_pid()


def test_a_daemon_that_is_told_to_end_answers_who_has_come(home: Home) -> None:
    """Neither who waits in its queue nor who comes meanwhile is hung up on."""
    home.succeed("agentkeys", "daemon", "start")
    first = home.daemon_pid()
    assert first
    os.kill(first, signal.SIGSTOP)
    ask = ("agentkeys", "daemon", "status", "--json")
    with home.start(*ask) as one, home.start(*ask) as two:
        assert wait_until(lambda: queued(home) == 2, seconds=60)
        os.kill(first, signal.SIGTERM)
        os.kill(first, signal.SIGCONT)
        for waiting in (one, two):
            stdout, stderr = waiting.communicate(timeout=60)
            assert (waiting.returncode, stderr) == (0, "")
            assert json.loads(stdout)["daemon"]["pid"] == first
    assert wait_until(lambda: ProcessId.of(first) is None, seconds=60)
