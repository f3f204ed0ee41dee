"""A program inside a run never starts a daemon: it would be the run's own."""

from __future__ import annotations

import pytest

from tests.support.programs import Finished, Home

RUN = {"AGENTKEYS_RUN": "abcdefghijklmnop"}
SHIM = "agentkeys-credential-process"
HINT = "run outside of it: agentkeys daemon start"


def assert_refused(done: Finished, status: int, error: str) -> None:
    assert (done.status, done.stdout) == (status, ""), done
    assert done.complaint() == (error, HINT)


@pytest.mark.parametrize(
    ("command", "status"),
    [
        (SHIM, 4),
        ("agentkeys credential-process", 4),
        ("agentkeys exec -- true", 125),
        ("agentkeys env", 4),
        ("agentkeys profiles", 4),
        ("agentkeys whoami", 4),
        ("agentkeys daemon start", 4),
        ("agentkeys daemon restart", 4),
    ],
)
def test_no_command_starts_one(home: Home, command: str, status: int) -> None:
    """It says so, and where one can be started."""
    error = "no daemon runs, and a program inside a run starts none"
    assert_refused(home.run(*command.split(), env=RUN), status, error)
    assert home.daemon_pid() is None


def test_it_becomes_none_either(home: Home) -> None:
    """In the foreground."""
    done = home.run("agentkeys", "daemon", "run", env=RUN)
    assert_refused(done, 4, "no daemon is started from inside a run")
    assert home.daemon_pid() is None


def test_what_starts_none_anyway_works(home: Home) -> None:
    """The same answers as outside."""
    assert home.succeed("agentkeys", "status", "--json", env=RUN) == home.succeed(
        "agentkeys", "status", "--json"
    )
    assert home.run("agentkeys", "daemon", "status", env=RUN).status == 4


def test_one_that_runs_is_enough(home: Home) -> None:
    """Nothing has to be started then."""
    home.succeed("agentkeys", "daemon", "start")
    assert "pid" in home.succeed("agentkeys", "daemon", "start", env=RUN)


def test_a_killed_daemon_is_not_replaced_from_inside(user_home: Home) -> None:
    """A run whose program has the daemon killed is left without one."""
    pid = user_home.succeed("agentkeys", "daemon", "start", "--json") and user_home.daemon_pid()
    assert pid
    script = f"kill -9 {pid}; {user_home.program(SHIM)}; echo $?; agentkeys exec -- true; echo $?"
    done = user_home.run("agentkeys", "exec", "--", "sh", "-c", script)
    assert done.stdout.split() == ["4", "125"], done
    assert done.stderr.count("a program inside a run starts none") == 2, done
    assert user_home.daemon_pid() is None


@pytest.mark.parametrize(
    "command",
    [
        "demo",
        "demo --json",
        "sandbox start",
        "sandbox stop",
        "daemon install",
        "daemon install --print",
        "daemon uninstall",
    ],
)
def test_what_changes_the_machine_is_refused_at_once(home: Home, command: str) -> None:
    """Nothing is started, written or taken away."""
    before = sorted(home.folder.rglob("*"))
    done = home.run("agentkeys", *command.split(), env=RUN)
    assert (done.status, done.stdout) == (1, ""), done
    error, hint = done.complaint()
    assert error.startswith("a program inside a run cannot ask for this")
    assert hint == "do it from outside, where no agentkeys exec is above it"
    assert sorted(home.folder.rglob("*")) == before


def test_outside_one_is_started_as_ever(home: Home) -> None:
    """An empty value is no run."""
    home.succeed("agentkeys", "daemon", "start", env={"AGENTKEYS_RUN": ""})
    assert home.daemon_pid()
