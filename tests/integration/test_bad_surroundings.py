"""Settings, sockets and folders that cannot be used: told at once, and nothing is guessed.

Each test has a home of its own, since what is wrong is what a daemon is started with.
"""

from __future__ import annotations

import json
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.place import SHIM, Place, assert_refused, new_place, place_in, render_toml
from tests.support.programs import Home, new_home

CONFIGURED = render_toml(
    {
        "identities": {"me": {"source": "broker", "url": "https://broker.example.com"}},
        "profiles": {"data": {"identity": "me", "role_arn": "arn:aws:iam::111122223333:role/d"}},
    }
)


@pytest.fixture
def home() -> Iterator[Home]:
    with new_home() as found:
        yield found


@pytest.fixture(scope="module")
def served() -> Iterator[Place]:
    """A place whose daemon runs and serves."""
    with new_place() as place:
        yield place


def assert_both_refuse(
    home: Home, status: int, error: str, hint: str, env: dict[str, str] | None = None
) -> None:
    """The shim and `exec`, and the program of `exec` does not run."""
    assert_refused(home.run(SHIM, env=env), status, error, hint)
    run = home.run("agentkeys", "exec", "--", "touch", "ran", env=env)
    assert_refused(run, 125, error, hint)
    assert not (home.work / "ran").exists()


# settings


def test_a_named_configuration_that_is_missing_is_an_error(home: Home) -> None:
    """Never a fallback to the user's own."""
    home.configure(CONFIGURED)
    missing = home.folder / "missing.toml"
    assert_both_refuse(
        home,
        1,
        f"the configuration {missing} cannot be read: No such file or directory",
        "check AGENTKEYS_CONFIG, or run: agentkeys init",
        {"AGENTKEYS_CONFIG": str(missing)},
    )


def test_a_broker_in_the_environment_needs_a_role(home: Home) -> None:
    """The one that is missing is named."""
    assert_both_refuse(
        home,
        1,
        "AGENTKEYS_BROKER_URL is set but AGENTKEYS_DATA_ROLE_ARN is not",
        "set AGENTKEYS_DATA_ROLE_ARN to the role to assume, or run: agentkeys init",
        {"AGENTKEYS_BROKER_URL": "https://broker.example.com"},
    )


@pytest.mark.parametrize(
    ("url", "role", "error"),
    [
        ("http://broker.example.com", "arn:aws:iam::1:role/data", "uses http:// for broker"),
        ("https://broker.example.com", "data", "'data' is not a role ARN"),
        ('https://x"\n[profiles.y]', "arn:aws:iam::1:role/data", "control characters"),
    ],
)
def test_a_broker_in_the_environment_is_checked_like_any_other(
    home: Home, url: str, role: str, error: str
) -> None:
    """As if it were in a file."""
    env = {"AGENTKEYS_BROKER_URL": url, "AGENTKEYS_DATA_ROLE_ARN": role}
    assert_both_refuse(home, 1, error, "", env)


@pytest.mark.parametrize(
    "env",
    [
        {"AGENTKEYS_CONFIG": "/nowhere/config.toml"},
        {"AGENTKEYS_STATE_DIR": "/nowhere/state"},
        {"AGENTKEYS_VAULT": ""},
        {"AGENTKEYS_BROKER_URL": "https://broker.example.com"},
        {"AGENTKEYS_DATA_ROLE_ARN": "arn:aws:iam::1:role/data"},
        {"AGENTKEYS_BROKER_URL": "x" * 40_000},
    ],
    ids=lambda env: next(iter(env)),
)
def test_other_settings_than_the_daemons_are_told(served: Place, env: dict[str, str]) -> None:
    """What the daemon would answer is not what was asked for."""
    assert served.through(SHIM).served
    assert_both_refuse(
        served.home,
        1,
        f"the daemon was started with another {next(iter(env))}",
        "run: agentkeys daemon restart",
        env,
    )


# the socket


@pytest.mark.parametrize("path", ["daemon.sock", "./run/daemon.sock", "~/daemon.sock"])
def test_a_relative_socket_is_told(home: Home, path: str) -> None:
    """It would mean another one in every folder."""
    assert_both_refuse(
        home,
        1,
        f"the socket path '{path}' is relative",
        "set AGENTKEYS_SOCKET to an absolute path",
        {"AGENTKEYS_SOCKET": path},
    )


def test_a_socket_path_that_no_system_takes_is_told(home: Home) -> None:
    """Counted in bytes."""
    assert_both_refuse(
        home,
        1,
        " bytes",
        "set AGENTKEYS_SOCKET to a shorter path",
        {"AGENTKEYS_SOCKET": f"/{'ü' * 60}"},
    )


def _open_to_others(folder: Path) -> None:
    folder.mkdir()
    folder.chmod(0o777)


def _open_to_the_group(folder: Path) -> None:
    folder.mkdir()
    folder.chmod(0o770)


def _link(folder: Path) -> None:
    folder.with_name("elsewhere").mkdir(mode=0o700)
    folder.symlink_to("elsewhere")


def _file(folder: Path) -> None:
    folder.write_text("")


@pytest.mark.parametrize("make", [_open_to_others, _open_to_the_group, _link, _file])
def test_a_socket_in_an_unsafe_folder_is_refused(home: Home, make: Callable[[Path], None]) -> None:
    """Somebody else could put their own there; and no daemon is started."""
    home.configure(CONFIGURED)
    make(home.socket.parent)
    folder = home.socket.parent
    assert_both_refuse(home, 4, f"the folder {folder} is ", "")
    assert not home.socket.exists()
    folder.unlink() if folder.is_symlink() or folder.is_file() else folder.rmdir()


@pytest.mark.parametrize("variable", ["AGENTKEYS_SOCKET", "AGENTKEYS_STATE_DIR"])
def test_a_folder_that_cannot_be_made_is_told(home: Home, variable: str) -> None:
    """Where nothing can be written at all."""
    home.configure(CONFIGURED)
    env = {variable: "/proc/agentkeys/daemon.sock"}
    assert_both_refuse(home, 4, "the folder /proc/agentkeys", "", env)


def test_a_folder_in_place_of_the_socket_is_told(home: Home) -> None:
    """It is left alone."""
    home.configure(CONFIGURED)
    home.socket.mkdir(mode=0o700, parents=True)
    home.socket.parent.chmod(0o700)
    assert_both_refuse(home, 4, str(home.socket), "AGENTKEYS_SOCKET")
    home.socket.rmdir()


def test_a_socket_that_nobody_answers_any_more_is_replaced(home: Home) -> None:
    """As a daemon that was killed leaves it behind."""
    home.configure(CONFIGURED)
    home.socket.parent.mkdir(mode=0o700)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as dead:
        dead.bind(str(home.socket))
    assert_both_refuse(home, 3, "nobody is logged in as me", "run: agentkeys login me")
    assert home.daemon_pid()


# the state folder


@pytest.mark.parametrize("make", [_open_to_the_group, _link])
def test_an_unsafe_state_folder_is_refused(home: Home, make: Callable[[Path], None]) -> None:
    """No daemon is started that would write there."""
    home.configure(CONFIGURED)
    make(home.state)
    assert_both_refuse(home, 4, f"the folder {home.state} is ", "")
    assert home.daemon_pid() is None


@pytest.mark.parametrize("name", ["logs", "logs/daemon.jsonl"])
def test_a_log_that_cannot_be_written_is_told(home: Home, name: str) -> None:
    """A file in place of its folder, a folder in place of the file."""
    home.configure(CONFIGURED)
    home.state.mkdir(mode=0o700)
    if name == "logs":
        (home.state / name).write_text("")
    else:
        (home.state / "logs").mkdir(mode=0o700)
        (home.state / name).mkdir()
    assert_both_refuse(home, 4, str(home.state / name), "")
    assert home.daemon_pid() is None


def test_a_ledger_that_cannot_be_written_costs_nobody_anything(served: Place) -> None:
    """Credentials are served, and status says what is wrong with the ledger."""
    ledger = served.home.state / "audit" / "ledger.jsonl"
    assert served.through(SHIM).served
    kept = ledger.with_name("kept")
    ledger.rename(kept)
    ledger.mkdir()
    try:
        assert served.through(SHIM).served
        problem = served.status()["daemon"]["ledger_error"]
        assert problem["code"] == "audit_error"
        assert str(ledger) in problem["message"]
        assert problem["hint"]
    finally:
        ledger.rmdir()
        kept.rename(ledger)
    assert served.through(SHIM).served
    assert served.status()["daemon"]["ledger_error"] is None


def test_a_run_folder_that_cannot_be_used_is_told(home: Home) -> None:
    """`exec` needs it; the shim does not."""
    home.state.mkdir(mode=0o700)
    (home.state / "run").write_text("")
    home.succeed("agentkeys", "daemon", "start")
    with place_in(home) as place:
        shim, run = place.run_programs()
        assert (shim.status, shim.stderr) == (0, "")
        assert_refused(run, 125, f"the folder {home.state / 'run'}", "", place.sessions)


def test_the_environment_of_the_caller_does_not_reach_the_daemon(home: Home) -> None:
    """No AWS setting of a project decides where tokens go."""
    home.configure(CONFIGURED)
    hostile = {"AWS_ENDPOINT_URL_STS": "http://127.0.0.1:1", "AWS_REGION": "mars", "SECRET": "x"}
    home.run("agentkeys", "daemon", "start", env=hostile)
    pid = home.daemon_pid()
    assert pid
    environ = Path(f"/proc/{pid}/environ")
    if sys.platform == "linux":
        found = environ.read_bytes().split(b"\0")
        assert not [entry for entry in found if entry.startswith((b"AWS_", b"SECRET"))]


def test_status_needs_no_daemon_and_starts_none(home: Home) -> None:
    """Whatever is wrong with the configuration."""
    home.configure("[profiles.data\n")
    document = json.loads(home.succeed("agentkeys", "status", "--json"))
    assert document["daemon"] is None
    assert not home.socket.exists()
