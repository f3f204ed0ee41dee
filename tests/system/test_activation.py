"""The daemon and a real systemd, which holds its socket and starts it for whoever asks."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from agentkeys.interpreter import own_module
from agentkeys.processes import ProcessId
from agentkeys_shell.daemon_process import daemon_on_record
from agentkeys_shell.sandbox.processes import wait_until
from tests.support.programs import Home, new_home
from tests.support.raw_http import ask
from tests.system.secret_service import SecretService
from tests.system.user_manager import UserManager, missing_systemd

SERVICE = "agentkeys.service"
SOCKET = "agentkeys.socket"
INSTALL = ("agentkeys", "daemon", "install")


@pytest.fixture(autouse=True)
def systemd() -> None:
    """Its programs are there."""
    if words := missing_systemd():
        pytest.fail(words)


@pytest.fixture
def home() -> Iterator[Home]:
    """An empty home."""
    with new_home() as empty:
        yield empty


def told_pid(home: Home) -> int:
    """Of the daemon that answers, or that systemd starts for an answer."""
    return int(ask(home, "GET", "/v1/health").json()["pid"])


# systemd-socket-activate


@pytest.fixture
def activator(home: Home) -> Iterator[subprocess.Popen[str]]:
    """Holds the socket of `home`, and becomes the daemon with the first connection."""
    home.socket.parent.mkdir(mode=0o700)
    settings = [f"--setenv={name}={value}" for name, value in home.environment.items()]
    listen = f"--listen={home.socket}"
    daemon = own_module("agentkeys_daemon")
    with home.start("systemd-socket-activate", listen, *settings, *daemon) as process:
        try:
            assert wait_until(home.socket.exists, seconds=60)
            yield process
        finally:
            process.kill()


def test_the_first_of_many_requests_starts_it(home: Home, activator: subprocess.Popen[str]) -> None:
    """All are answered by the one that was started, and nobody starts another."""
    with ThreadPoolExecutor(10) as pool:
        asks = [pool.submit(home.succeed, "agentkeys", "daemon", "start") for _ in range(10)]
        for shown in asks:
            assert str(activator.pid) in shown.result()
    assert told_pid(home) == activator.pid


def test_stop_ends_it_and_leaves_the_socket(home: Home, activator: subprocess.Popen[str]) -> None:
    """The program that held it has become the daemon, so the next command starts one itself."""
    told_pid(home)
    assert home.succeed("agentkeys", "daemon", "stop") == "stopped\n"
    assert activator.wait(timeout=60) == 0
    assert home.socket.exists()
    home.succeed("agentkeys", "daemon", "start")
    assert told_pid(home) != activator.pid


# the units


@pytest.mark.parametrize(
    "env",
    [
        {},
        {"AGENTKEYS_CONFIG": "/srv/with space/\"quotes\" 'and' \\ %h $HOME ü.toml"},
        {"AGENTKEYS_SOCKET": "/srv/with space/%h/daemon.sock"},
    ],
    ids=["plain", "odd setting", "odd socket"],
)
def test_systemd_finds_nothing_wrong_with_them(home: Home, env: Mapping[str, str]) -> None:
    """Neither a word that it does not know nor a program that is not there."""
    home.environment["PATH"] = "/nowhere"
    home.succeed(*INSTALL, env=env)
    units = sorted((home.folder / "config" / "systemd" / "user").iterdir())
    assert len(units) == 2
    done = home.run("/usr/bin/systemd-analyze", "--user", "verify", *units)
    assert (done.status, done.stdout, done.stderr) == (0, "", "")


@pytest.fixture
def manager(home: Home) -> Iterator[UserManager]:
    """A systemd for the user of `home`."""
    with UserManager(home) as running:
        yield running


def test_installed_it_starts_when_it_is_asked(home: Home, manager: UserManager) -> None:
    """Again after a stop, after a kill, and with one daemon at a time; until it is uninstalled."""
    home.succeed(*INSTALL)
    assert (manager.is_active(SOCKET), manager.is_active(SERVICE)) == (True, False)
    first = told_pid(home)
    assert first == manager.main_pid(SERVICE)
    # One that hangs could be ended too, whatever the unit hides of it.
    assert daemon_on_record(str(home.socket)) == ProcessId.of(first)
    home.succeed("agentkeys", "daemon", "stop")
    assert ProcessId.of(first) is None
    second = told_pid(home)
    assert second == manager.main_pid(SERVICE)
    os.kill(second, signal.SIGKILL)
    assert wait_until(lambda: manager.main_pid(SERVICE) == 0, seconds=60)
    restarted = json.loads(home.succeed("agentkeys", "daemon", "restart", "--json"))
    third = manager.main_pid(SERVICE)
    assert restarted["daemon"]["pid"] == third
    assert len({first, second, third}) == 3
    home.succeed("agentkeys", "daemon", "uninstall")
    assert (manager.is_active(SOCKET), manager.is_active(SERVICE)) == (False, False)
    assert ProcessId.of(third) is None
    assert not home.socket.exists()


def test_a_daemon_that_runs_hands_over_when_it_is_stopped(home: Home, manager: UserManager) -> None:
    """Not before: what the command says to run does it."""
    home.succeed("agentkeys", "daemon", "start")
    before = told_pid(home)
    step = json.loads(home.succeed(*INSTALL, "--json"))["next"]
    assert told_pid(home) == before
    assert home.run("sh", "-c", step).status == 0
    assert ProcessId.of(before) is None
    assert told_pid(home) == manager.main_pid(SERVICE)


@pytest.mark.parametrize("name", ["AGENTKEYS_STATE_DIR", "AGENTKEYS_SOCKET"])
def test_new_settings_are_taken_when_the_user_says_so(
    home: Home, manager: UserManager, name: str
) -> None:
    """A new socket as well; until then, the daemon that runs goes on with the former ones."""
    home.succeed(*INSTALL)
    before = told_pid(home)
    other = home.folder / "other" / "place"
    home.environment[name] = str(other)
    step = json.loads(home.succeed(*INSTALL, "--json"))["next"]
    assert ProcessId.of(before)
    assert home.run("sh", "-c", step).status == 0
    assert ProcessId.of(before) is None
    if name == "AGENTKEYS_SOCKET":
        home.socket = other
    home.succeed("agentkeys", "profiles")
    assert told_pid(home) == manager.main_pid(SERVICE)


def test_a_program_in_an_odd_folder_is_found(home: Home, manager: UserManager) -> None:
    """What the unit's quotes and escapes come to is what was meant."""
    odd = home.folder / "st a$te %h 'ü\\"
    home.environment["AGENTKEYS_STATE_DIR"] = str(odd)
    home.succeed(*INSTALL)
    home.succeed("agentkeys", "profiles")
    assert told_pid(home) == manager.main_pid(SERVICE)
    assert Path(odd / "logs").is_dir()
    home.state = odd


PROBE = """
import ctypes, json, mmap, os, socket, sys
libc = ctypes.CDLL(None, use_errno=True)
def system(answer):
    if answer < 0:
        raise OSError(ctypes.get_errno(), "")
def setuid_file():
    path = sys.argv[1] + ".setuid"
    os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))
    os.chmod(path, 0o4700)
def outcome(attempt):
    try:
        attempt()
    except OSError:
        return "refused"
    return "done"
TRIES = {
    "write and run memory": lambda: mmap.mmap(-1, 4096, prot=mmap.PROT_WRITE | mmap.PROT_EXEC),
    "a user namespace": lambda: system(libc.unshare(0x10000000)),
    "a mount": lambda: system(libc.mount(b"none", b"/mnt", b"tmpfs", 0, None)),
    "a packet socket": lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW),
    "a setuid file": setuid_file,
    "real time": lambda: os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1)),
    "another personality": lambda: system(libc.personality(0x0040000)),
    "another user": lambda: os.setuid(65534),
    "a socket": lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM),
    "a callback": lambda: system(ctypes.CFUNCTYPE(ctypes.c_int)(lambda: 0)()),
    "a limit": lambda: __import__("resource").setrlimit(7, __import__("resource").getrlimit(7)),
}
found = {name: outcome(attempt) for name, attempt in TRIES.items()}
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
found |= {name: status[name].strip() for name in ("NoNewPrivs", "Seccomp", "Umask")}
with open(sys.argv[1], "w") as file:
    json.dump(found, file)
"""
CONFINED = {
    **dict.fromkeys(
        (
            "write and run memory",
            "a user namespace",
            "a mount",
            "a packet socket",
            "a setuid file",
            "real time",
            "another personality",
            "another user",
        ),
        "refused",
    ),
    **dict.fromkeys(("a socket", "a callback", "a limit"), "done"),
    "NoNewPrivs": "1",
    "Seccomp": "2",
    "Umask": "0077",
}


def test_the_users_manager_applies_every_restriction(home: Home, manager: UserManager) -> None:
    """What the daemon runs is confined like the daemon: root itself cannot do these things there.

    Without the unit it can; what it needs to work is left to it.
    """
    said = home.folder / "said"
    command = [sys.executable, "-I", "-c", PROBE, str(said)]
    home.configure(
        f"""
        [identities.me]
        source = "command"
        argv = {json.dumps(command)}
        [profiles.default]
        identity = "me"
        role_arn = "arn:aws:iam::000000000001:role/none"
        confine = "role"
        """
    )
    assert home.run("agentkeys-credential-process").status == 1
    alone = json.loads(said.read_text(encoding="utf-8"))
    assert alone["write and run memory"] == alone["a user namespace"] == "done"
    home.succeed("agentkeys", "daemon", "stop")
    said.unlink()
    home.succeed(*INSTALL)
    assert home.run("agentkeys-credential-process").status == 1
    assert json.loads(said.read_text(encoding="utf-8")) == CONFINED
    health = ask(home, "GET", "/v1/health").json()
    assert health["pid"] == manager.main_pid(SERVICE)
    assert set(health["hardening"].values()) == {True}, "run these tests as root"


def test_its_restrictions_leave_the_keyring_alone(home: Home, keyring: SecretService) -> None:
    """A daemon that systemd starts keeps leases in a real keyring, across a restart."""
    del home.environment["AGENTKEYS_VAULT"]
    # In a runtime folder that they share, systemd would put a bus of its own over this one.
    runtime = home.environment["XDG_RUNTIME_DIR"]
    home.environment |= {**keyring.environment, "XDG_RUNTIME_DIR": runtime}
    assert home.run("agentkeys", "sandbox", "start").status == 0
    home.succeed("agentkeys", "daemon", "stop")
    with UserManager(home) as manager:
        bus = f"DBUS_SESSION_BUS_ADDRESS={home.environment['DBUS_SESSION_BUS_ADDRESS']}"
        home.succeed("systemctl", "--user", "set-environment", bus)
        home.succeed(*INSTALL)
        first = home.succeed("agentkeys-credential-process")
        restarted = json.loads(home.succeed("agentkeys", "daemon", "restart", "--json"))
        assert restarted["daemon"]["vault"] == "secret-service"
        assert restarted["daemon"]["pid"] == manager.main_pid(SERVICE)
        assert home.succeed("agentkeys-credential-process") == first
        home.succeed("agentkeys", "daemon", "uninstall")
