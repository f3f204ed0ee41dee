"""The doctor's fault table: what was broken on purpose, and which step said what about it.

Real programs, a real daemon; what is broken here is on this machine. What is broken at the broker
or the store is in `test_doctor_servers.py` and `test_doctor_stores.py`.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from agentkeys.doctor import STEPS
from tests.fakes import old_daemon
from tests.fakes.scripted_daemon import ScriptedDaemon
from tests.support.diagnosing import CONFIG, Diagnosis, diagnose
from tests.support.programs import Home, new_home, read_line

BEHIND = list(STEPS[4:])
"""What only the daemon can look at."""

Env = dict[str, str]
Damage = Callable[[Home], AbstractContextManager[Env | None]]


@dataclass(frozen=True)
class Fault:
    """A row of the table."""

    damage: Damage
    complaints: tuple[tuple[str, str, str], ...]
    """Step, outcome and code of all that the steps before the daemon's own say."""
    words: str
    """What the first of them says, or advises."""
    goes_on: bool = False
    """Whether the daemon looks at the rest all the same."""


@pytest.fixture
def home() -> Iterator[Home]:
    """No daemon runs; a configuration is there."""
    with new_home() as found:
        found.configure(CONFIG)
        yield found


def _quietly(change: Callable[[Home], object]) -> Damage:
    """Damage that needs no undoing."""

    @contextmanager
    def damage(home: Home) -> Iterator[Env | None]:
        change(home)
        yield None

    return damage


def _with_env(env: Callable[[Home], Env]) -> Damage:
    @contextmanager
    def damage(home: Home) -> Iterator[Env | None]:
        yield env(home)

    return damage


# the configuration

CONFIGURATION = {
    "a key that nobody knows": Fault(
        _quietly(lambda home: home.configure(CONFIG + 'prefx = "x/"\n')),
        (("config", "failed", "config_invalid"),),
        "profiles.data.prefx is not a known key | did you mean prefix?",
    ),
    "a line that is no TOML": Fault(
        _quietly(lambda home: home.configure(CONFIG + "[profiles.data\n")),
        (("config", "failed", "config_invalid"),),
        "is not valid TOML: ",
    ),
    "a configuration that everybody can write": Fault(
        _quietly(lambda home: home.config.chmod(0o666)),
        (("config", "failed", "config_exposed"),),
        "run: chmod go-w ",
    ),
    "a configuration that is named and not there": Fault(
        _with_env(lambda home: {"AGENTKEYS_CONFIG": str(home.folder / "missing.toml")}),
        (("config", "failed", "config_missing"),),
        "missing.toml cannot be read: No such file or directory",
    ),
    "nothing configured at all": Fault(
        _quietly(lambda home: home.config.unlink()),
        (("config", "failed", "unknown_profile"),),
        "nothing is configured yet | run: agentkeys init",
    ),
    "a profile that is not there": Fault(
        _with_env(lambda home: {"AGENTKEYS_PROFILE": "dta"}),
        (("config", "failed", "unknown_profile"),),
        "there is no profile 'dta' | did you mean data?",
    ),
    "a configuration in a folder of everybody": Fault(
        _quietly(lambda home: home.config.parent.chmod(0o777)),
        (("config", "warning", "config_folder_exposed"),),
        "could replace the configuration",
        goes_on=True,
    ),
}

# the folders


def _open_state(home: Home) -> None:
    home.state.mkdir()
    home.state.chmod(0o755)


def _linked_state(home: Home) -> None:
    home.state.symlink_to(home.work)


def _open_socket_folder(home: Home) -> None:
    home.socket.parent.mkdir()
    home.socket.parent.chmod(0o770)


def _exposed_socket(home: Home) -> Env:
    shared = home.folder / "shared"
    shared.mkdir()
    shared.chmod(0o777)
    return {"AGENTKEYS_SOCKET": str(shared / "run" / "daemon.sock")}


NO_DAEMON = ("daemon", "failed", "daemon_not_running")

FOLDERS = {
    "a state folder that is open to others": Fault(
        _quietly(_open_state),
        (("folders", "failed", "folder_open"), NO_DAEMON),
        "is open to other users (mode 0755) | run: chmod 700 ",
    ),
    "a link in place of the state folder": Fault(
        _quietly(_linked_state),
        (("folders", "failed", "folder_not_a_folder"), NO_DAEMON),
        "state is a link | choose a folder of your own",
    ),
    "a socket's folder that is open to the group": Fault(
        _quietly(_open_socket_folder),
        (("folders", "failed", "folder_open"), NO_DAEMON),
        "is open to other users (mode 0770) | run: chmod 700 ",
    ),
    "a socket's folder in a folder of everybody": Fault(
        _with_env(_exposed_socket),
        (("folders", "failed", "folder_exposed"), NO_DAEMON),
        "where others could put another in its place",
    ),
}

# the socket


@contextmanager
def _stale(home: Home) -> Iterator[Env | None]:
    home.socket.parent.mkdir(mode=0o700)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as dead:
        dead.bind(str(home.socket))
    yield None


def _something_else(home: Home) -> None:
    home.socket.parent.mkdir(mode=0o700)
    home.socket.write_text("not a socket")


@contextmanager
def _another_program(home: Home) -> Iterator[Env | None]:
    with ScriptedDaemon(home.socket, b"SSH-2.0-OpenSSH_9.6\r\n"):
        home.socket.chmod(0o600)
        yield None


@contextmanager
def _open_socket(home: Home) -> Iterator[Env | None]:
    home.succeed("agentkeys", "daemon", "start")
    home.socket.chmod(0o666)
    yield None


SOCKET = {
    "a socket that a killed daemon left behind": Fault(
        _stale,
        (("socket", "warning", "socket_stale"),),
        "nobody answers at ",
        goes_on=True,
    ),
    "a file in place of the socket": Fault(
        _quietly(_something_else),
        (("socket", "failed", "socket_not_a_socket"), NO_DAEMON),
        "something else than a socket is at ",
    ),
    "a socket that is open to others": Fault(
        _open_socket,
        (("socket", "warning", "socket_open"),),
        "(mode 0666) | run: chmod 600 ",
        goes_on=True,
    ),
    "a path that no system takes": Fault(
        _with_env(lambda home: {"AGENTKEYS_SOCKET": f"/{'x' * 110}/daemon.sock"}),
        (
            ("socket", "failed", "socket_path_invalid"),
            ("daemon", "failed", "config_invalid"),
        ),
        "is longer than 107 bytes",
    ),
    "another program at the socket": Fault(
        _another_program,
        (("daemon", "failed", "daemon_garbled"),),
        "the daemon broke off its answer",
    ),
}

# the daemon


def _daemon_of_before(*options: str) -> Damage:
    @contextmanager
    def damage(home: Home) -> Iterator[Env | None]:
        home.socket.parent.mkdir(mode=0o700)
        argv = [old_daemon.__file__, str(home.socket), *options]
        with home.start(sys.executable, "-I", *argv) as process:
            try:
                assert read_line(process.stdout) == "ready"
                home.socket.chmod(0o600)
                yield None
            finally:
                process.kill()
        home.socket.unlink()

    return damage


_old_daemon = _daemon_of_before()
_hanging_daemon = _daemon_of_before("hangs")


@contextmanager
def _stopped(home: Home) -> Iterator[Env | None]:
    home.succeed("agentkeys", "daemon", "start")
    pid = home.daemon_pid()
    assert pid
    os.kill(pid, signal.SIGSTOP)
    try:
        yield None
    finally:
        os.kill(pid, signal.SIGCONT)


@contextmanager
def _other_settings(home: Home) -> Iterator[Env | None]:
    home.succeed("agentkeys", "daemon", "start", env={"AGENTKEYS_BROKER_URL": "https://x.invalid"})
    yield None


@contextmanager
def _no_log(home: Home) -> Iterator[Env | None]:
    home.state.mkdir(mode=0o700)
    (home.state / "logs").write_text("")
    yield None


DAEMON = {
    "a daemon that speaks another protocol": Fault(
        _old_daemon,
        (("daemon", "failed", "daemon_protocol"),),
        "another version of the protocol | run: agentkeys daemon restart",
    ),
    "a daemon that is stopped": Fault(
        _stopped,
        (("daemon", "failed", "daemon_stopped"),),
        "was stopped by a signal and answers nobody | run: kill -CONT ",
    ),
    "a daemon that hangs": Fault(
        _hanging_daemon,
        (("daemon", "failed", "daemon_stuck"),),
        "did not answer for 5 seconds | run: agentkeys daemon restart",
    ),
    "a daemon with other settings": Fault(
        _other_settings,
        (("daemon", "failed", "config_mismatch"),),
        "started with another AGENTKEYS_BROKER_URL | run: agentkeys daemon restart",
    ),
    "a log that cannot be written": Fault(_no_log, (NO_DAEMON,), "logs"),
    "a program inside a run": Fault(
        _with_env(lambda home: {"AGENTKEYS_RUN": "aaaabbbbccccdddd"}),
        (NO_DAEMON,),
        "a program inside a run starts none",
    ),
}

FAULTS = {**CONFIGURATION, **FOLDERS, **SOCKET, **DAEMON}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_a_fault_of_this_machine_has_its_own_diagnosis(home: Home, fault: Fault) -> None:
    """The step that it belongs to tells it; what rests on that is skipped, and says why."""
    with fault.damage(home) as env:
        found = diagnose(home, env=env)
    local = [entry for entry in found.complaints if entry[0] not in BEHIND]
    assert local == list(fault.complaints), found
    assert fault.words in found.said(local[0][0])
    if not fault.goes_on:
        assert found.status == 1
        _assert_all_skipped(found)


def _assert_all_skipped(found: Diagnosis) -> None:
    """But for what the daemon can tell of itself without a profile."""
    wanted = [step for step in BEHIND if step not in ("keyring", "memory", "ledger")]
    assert [step for step in found.skipped if step in wanted] == wanted
    assert all("needs a" in found.steps[step]["message"] for step in wanted)


def test_a_step_that_breaks_takes_no_other_along(home: Home) -> None:
    """Only the type of what nobody has foreseen is told, and the walk goes on."""
    # Nobody expects a configuration folder that is a link to itself.
    loop = home.folder / "loop"
    loop.symlink_to(loop)
    done = home.run("agentkeys", "doctor", env={"AGENTKEYS_STATE_DIR": str(loop / "state")})
    assert done.status == 1
    assert done.stderr == ""
    assert "Traceback" not in done.stdout
    assert all(f" {step} " in done.stdout for step in STEPS[:4])


def test_nothing_is_changed(home: Home) -> None:
    """A daemon is started where there is none, as by every command, and that is all."""
    before = _tree(home.folder)
    diagnose(home)
    again = _tree(home.folder)
    diagnose(home)
    assert _tree(home.folder) == again
    grown = {path for path in again if path not in before}
    assert all(path.startswith(("state", "run")) for path in grown), grown


def _tree(folder: Path) -> dict[str, int]:
    return {
        str(path.relative_to(folder)): path.lstat().st_mode
        for path in folder.rglob("*")
        if "__pycache__" not in path.parts
    }
