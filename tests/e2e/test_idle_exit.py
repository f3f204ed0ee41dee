"""A daemon that nobody asks any more ends by itself, where it is configured to."""

from __future__ import annotations

import json

from agentkeys.processes import ProcessId
from agentkeys.sandbox_record import SandboxRecord
from agentkeys_shell.sandbox.processes import wait_until
from tests.support.dev_broker import BrokerClient
from tests.support.programs import Home

SHIM = "agentkeys-credential-process"


def set_idle_exit(home: Home, value: str) -> None:
    text = home.config.read_text(encoding="utf-8")
    home.configure(f'idle_exit = "{value}"\n{text}')


def ends_by_itself(pid: int) -> bool:
    return wait_until(lambda: ProcessId.of(pid) is None, seconds=60)


def test_an_idle_daemon_ends_and_the_next_command_starts_another(user_home: Home) -> None:
    """Cleanly: no socket is left, and the log says why."""
    set_idle_exit(user_home, "2s")
    user_home.succeed(SHIM)
    pid = daemon_of_record(user_home)
    assert ends_by_itself(pid)
    assert not user_home.socket.exists()
    messages = [
        json.loads(line)["message"]
        for line in user_home.succeed("agentkeys", "daemon", "logs", "--json").splitlines()
    ]
    assert messages[-2:] == ["nobody has asked for 0:00:02, ending", "ended"]
    user_home.succeed(SHIM)
    assert daemon_of_record(user_home) != pid


def test_a_limit_that_is_configured_later_counts(user_home: Home) -> None:
    """From the next request on, without a restart."""
    user_home.succeed(SHIM)
    pid = daemon_of_record(user_home)
    set_idle_exit(user_home, "2s")
    user_home.succeed(SHIM)
    assert daemon_of_record(user_home) == pid
    assert ends_by_itself(pid)


def test_what_would_need_a_new_login_keeps_it(home: Home, sandbox: SandboxRecord) -> None:
    """Where there is no keyring, the daemon holds a person's session alone; until they log out."""
    broker = sandbox.broker.url
    home.configure(f'idle_exit = "1s"\n[identities.me]\nsource = "broker"\nurl = "{broker}"\n')
    with BrokerClient(broker) as client:
        session = str(client.managed_login("idle@example.com")["session_jwt"])
    done = home.run("agentkeys", "login", "--session-stdin", stdin=session)
    assert done.status == 0, done
    pid = daemon_of_record(home)
    # Several times the limit; it looks once in each.
    assert not wait_until(lambda: ProcessId.of(pid) is None, seconds=4)
    home.succeed("agentkeys", "logout")
    assert ends_by_itself(pid)


def daemon_of_record(home: Home) -> int:
    """The latest daemon's pid, without asking it."""
    return int(home.socket.with_name(f"{home.socket.name}.pid").read_text(encoding="ascii"))
