"""A socket that somebody else holds for the daemon, and that outlives it."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from agentkeys.processes import ProcessId
from agentkeys_shell.sandbox.processes import wait_until
from tests.fakes.socket_holder import SocketHolder
from tests.support.programs import Home
from tests.support.raw_http import ask

SHIM = "agentkeys-credential-process"


@pytest.fixture
def holder(user_home: Home) -> Iterator[SocketHolder]:
    """Starts the daemon of `user_home` for whoever comes."""
    with SocketHolder(user_home) as holder:
        yield holder


def told_pid(home: Home) -> int:
    return int(ask(home, "GET", "/v1/health").json()["pid"])


def test_whoever_comes_first_is_answered_by_the_daemon_that_this_starts(
    user_home: Home, holder: SocketHolder
) -> None:
    """No client starts another, however many come at once."""
    with ThreadPoolExecutor(12) as pool:
        asks = [pool.submit(user_home.succeed, SHIM) for _ in range(12)]
        assert len({ask.result() for ask in asks}) == 1
    assert holder.pids == [told_pid(user_home)]
    user_home.succeed("agentkeys", "daemon", "start")
    assert holder.pids == [told_pid(user_home)]


def test_it_leaves_the_socket_when_it_ends(user_home: Home, holder: SocketHolder) -> None:
    """And the next request has another daemon started at the same one."""
    user_home.succeed(SHIM)
    inode = user_home.socket.stat().st_ino
    assert user_home.succeed("agentkeys", "daemon", "stop") == "stopped\n"
    assert ProcessId.of(holder.pids[0]) is None
    assert user_home.socket.stat().st_ino == inode
    user_home.succeed(SHIM)
    told = told_pid(user_home)  # the one that was ending may have answered before
    assert holder.pids[1:] == [told]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_whatever_ends_it_the_next_request_is_answered(
    user_home: Home, holder: SocketHolder, number: signal.Signals
) -> None:
    """By a daemon that its holder has started."""
    user_home.succeed(SHIM)
    os.kill(holder.pids[0], number)
    user_home.succeed(SHIM)
    told = told_pid(user_home)  # the one that was ending may have answered before
    assert holder.pids[1:] == [told]


def test_a_restart_stays_its_holders_process(user_home: Home, holder: SocketHolder) -> None:
    """One daemon for one: nobody starts a second beside it, and the socket stays where it is."""
    user_home.succeed(SHIM)
    for _ in range(2):
        restarted = json.loads(user_home.succeed("agentkeys", "daemon", "restart", "--json"))
        assert holder.pids == [restarted["daemon"]["pid"]]
    user_home.succeed("agentkeys", "daemon", "stop")
    user_home.succeed(SHIM)
    assert len(holder.pids) == 2


def test_a_restart_cannot_change_what_its_holder_sets(
    user_home: Home, holder: SocketHolder
) -> None:
    """The command says so, and what can."""
    done = user_home.run(
        "agentkeys", "daemon", "restart", env={"AGENTKEYS_CONFIG": "/elsewhere/config.toml"}
    )
    assert (done.status, done.stdout) == (1, "")
    assert done.complaint() == (
        "the daemon was started with another AGENTKEYS_CONFIG",
        "run: agentkeys daemon install, with these settings",
    )


def test_an_idle_one_ends_and_comes_back(user_home: Home, holder: SocketHolder) -> None:
    """Which is what a socket that is always there is for."""
    text = user_home.config.read_text(encoding="utf-8")
    user_home.configure(f'idle_exit = "2s"\n{text}')
    user_home.succeed(SHIM)
    assert wait_until(lambda: ProcessId.of(holder.pids[0]) is None, seconds=60)
    user_home.succeed(SHIM)
    assert len(holder.pids) == 2
