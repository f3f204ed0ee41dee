"""`agentkeys daemon restart`: another program in the same process, and nobody notices."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from agentkeys_shell.sandbox.processes import wait_until
from tests.support.place import ROLE, place_in
from tests.support.programs import Home, read_line
from tests.support.raw_http import ask
from tests.support.runs import listed, running

SHIM = "agentkeys-credential-process"


def health(home: Home) -> dict[str, Any]:
    document = json.loads(home.succeed("agentkeys", "daemon", "status", "--json"))
    found: dict[str, Any] = document["daemon"]
    return found


def restart(home: Home, env: dict[str, str] | None = None) -> dict[str, Any]:
    document = json.loads(home.succeed("agentkeys", "daemon", "restart", "--json", env=env))
    found: dict[str, Any] = document["daemon"]
    return found


def access_key(home: Home) -> str:
    return str(json.loads(home.succeed(SHIM))["AccessKeyId"])


def test_it_is_another_program_in_the_same_process(user_home: Home) -> None:
    """On the same socket, which never goes away."""
    user_home.succeed("agentkeys", "daemon", "start")
    before, inode = health(user_home), user_home.socket.stat().st_ino
    after = restart(user_home)
    assert after["pid"] == before["pid"]
    assert after["instance"] != before["instance"]
    assert user_home.socket.stat().st_ino == inode
    assert health(user_home)["instance"] == after["instance"]


def test_what_memory_alone_holds_goes_along(user_home: Home) -> None:
    """Where there is no keyring, nobody has to log in again, and no lease is minted anew."""
    key = access_key(user_home)
    for _ in range(3):
        restart(user_home)
        assert access_key(user_home) == key


def test_what_memory_holds_reaches_no_disk_and_no_argument(user_home: Home) -> None:
    """It goes from one program to the next in memory that no file system sees."""
    document = json.loads(user_home.succeed(SHIM))
    restart(user_home)
    pid = health(user_home)["pid"]
    told = Path(f"/proc/{pid}/cmdline").read_bytes() + Path(f"/proc/{pid}/environ").read_bytes()
    for name in ("SecretAccessKey", "SessionToken"):
        secret = document[name].encode()
        assert secret not in told
        for path in user_home.folder.rglob("*"):
            assert not (path.is_file() and secret in path.read_bytes()), path


def test_nobody_who_asks_meanwhile_is_refused(user_home: Home) -> None:
    """They wait in the socket's queue until the next program answers."""
    user_home.succeed(SHIM)
    ended, failures = threading.Event(), []

    def ask() -> None:
        while not ended.is_set():
            done = user_home.run(SHIM)
            if done.status != 0:
                failures.append(done)

    askers = [threading.Thread(target=ask) for _ in range(4)]
    for asker in askers:
        asker.start()
    for _ in range(5):
        restart(user_home)
    ended.set()
    for asker in askers:
        asker.join()
    assert failures == []


def test_it_takes_new_settings(user_home: Home) -> None:
    """Those of the command, and not those of the daemon that ran."""
    user_home.succeed("agentkeys", "daemon", "start")
    other = user_home.folder / "other.toml"
    other.write_text(user_home.config.read_text(encoding="utf-8"), encoding="utf-8")
    env = {"AGENTKEYS_CONFIG": str(other)}
    mismatch = user_home.run(SHIM, env=env)
    assert (mismatch.status, "another AGENTKEYS_CONFIG" in mismatch.stderr) == (1, True)
    restart(user_home, env=env)
    user_home.succeed(SHIM, env=env)


def test_its_descriptors_do_not_grow(user_home: Home) -> None:
    """Whatever goes from one program to the next is closed in the end."""
    user_home.succeed("agentkeys", "exec", "--refresh", "--", "true")
    counts = [restart(user_home)["open_descriptors"] for _ in range(6)]
    assert max(counts[1:]) <= counts[0], counts


FETCH = """\
import json, os, sys, urllib.request
url = os.environ["AWS_CONTAINER_CREDENTIALS_FULL_URI"]
token = os.environ["AWS_CONTAINER_AUTHORIZATION_TOKEN"]
request = urllib.request.Request(url, headers={"Authorization": token})
print("ready", flush=True)
for line in sys.stdin:
    with urllib.request.urlopen(request, timeout=30) as answer:
        print(json.load(answer)["AccessKeyId"], flush=True)
"""


def test_a_running_program_goes_on(user_home: Home) -> None:
    """Its endpoint stays at the same port with the same token, and gives the same lease."""
    with user_home.start("agentkeys", "exec", "--refresh", "--", "python3", "-c", FETCH) as program:
        assert read_line(program.stdout) == "ready"
        assert program.stdin
        keys = set()
        for _ in range(4):
            print("go", file=program.stdin, flush=True)
            keys.add(read_line(program.stdout))
            restart(user_home)
        (run,) = json.loads(user_home.succeed("agentkeys", "runs", "--json"))["runs"]
        assert (run["pid"], run["state"], run["door"]) == (program.pid, "live", "endpoint")
        program.stdin.close()
    assert program.returncode == 0
    assert len(keys) == 1
    assert wait_until(
        lambda: not json.loads(user_home.succeed("agentkeys", "runs", "--json"))["runs"],
        seconds=60,
    )


ASK_ALWAYS = """\
import json, os, sys, threading, time, urllib.request
url = os.environ["AWS_CONTAINER_CREDENTIALS_FULL_URI"]
token = os.environ["AWS_CONTAINER_AUTHORIZATION_TOKEN"]
request = urllib.request.Request(url, headers={"Authorization": token})
ended = threading.Event()
failures, keys = [], set()
def ask():
    while not ended.is_set():
        try:
            with urllib.request.urlopen(request, timeout=5) as answer:
                keys.add(json.load(answer)["AccessKeyId"])
        except Exception as problem:
            failures.append(repr(problem))
askers = [threading.Thread(target=ask) for _ in range(3)]
for asker in askers:
    asker.start()
print("ready", flush=True)
sys.stdin.read()
ended.set()
for asker in askers:
    asker.join()
print(json.dumps([failures, len(keys)]), flush=True)
"""


def test_no_program_that_asks_the_endpoint_meanwhile_is_refused(user_home: Home) -> None:
    """However often it asks, with the little time that an SDK gives."""
    argv = ["agentkeys", "exec", "--refresh", "--", "python3", "-c", ASK_ALWAYS]
    with user_home.start(*argv) as program:
        assert read_line(program.stdout) == "ready"
        for _ in range(5):
            restart(user_home)
        assert program.stdin
        program.stdin.close()
        assert json.loads(read_line(program.stdout)) == [[], 1]


# settings with which no daemon could begin


@contextmanager
def going_on(home: Home) -> Iterator[None]:
    """The daemon is the same afterwards, with its login, its lease and its endpoint."""
    with running(home, "--refresh") as program:
        before, key = health(home), access_key(home)
        endpoint_key = program.fetch().json()["AccessKeyId"]
        yield
        assert health(home)["instance"] == before["instance"]
        assert access_key(home) == key
        assert program.fetch().json()["AccessKeyId"] == endpoint_key
        assert {*listed(home)} == {program.id}


@pytest.mark.parametrize("vault", ["bogus", "Memory", " memory"])
def test_a_vault_that_does_not_exist_ends_no_daemon(user_home: Home, vault: str) -> None:
    """The command is told; who is logged in stays so."""
    with going_on(user_home):
        done = user_home.run("agentkeys", "daemon", "restart", env={"AGENTKEYS_VAULT": vault})
        assert (done.status, done.stdout) == (1, "")
        error, hint = done.complaint()
        assert repr(vault) in error
        assert "memory" in hint


def test_a_state_folder_without_room_for_a_log_ends_no_daemon(user_home: Home) -> None:
    """Such as one in which `logs` is a file."""
    other = user_home.folder / "other-state"
    other.mkdir(mode=0o700)
    (other / "logs").write_text("in its place")
    with going_on(user_home):
        env = {"AGENTKEYS_STATE_DIR": str(other)}
        done = user_home.run("agentkeys", "daemon", "restart", env=env)
        assert (done.status != 0, done.stdout) == (True, ""), done
        assert str(other / "logs") in done.complaint()[0]


@pytest.mark.parametrize(
    "environment",
    [
        None,
        [],
        "PATH=/bin",
        {"PATH": 1},
        {"PATH": None},
        {"PATH": "/bin\0"},
        {"PA\0TH": "/bin"},
        {"PATH=": "/bin"},
        {"=": ""},
        {"AGENTKEYS_VAULT": "bogus"},
        {"AGENTKEYS_VAULT": "memory", "AGENTKEYS_STATE_DIR": "/dev/null/state"},
    ],
)
def test_what_is_no_environment_ends_no_daemon(user_home: Home, environment: object) -> None:
    """No program could be started with it, and then this one would be gone."""
    with going_on(user_home):
        body = json.dumps({"environment": environment}).encode()
        answer = ask(user_home, "POST", "/v1/restart", body=body)
        assert answer.status in (400, 500), answer
        assert answer.error()["message"]


# runs that are on no record


def test_what_found_no_room_on_the_disk_is_known_to_the_next(home: Home) -> None:
    """A program with fixed keys begins all the same, and is inside its run for ever."""
    home.succeed("agentkeys", "daemon", "start")
    folder = home.socket.with_name(f"{home.socket.name}.runs")
    with place_in(home) as place:
        place.tables["default_profile"] = "data"
        place.tables["profiles"]["other"] = place.sound_profile(role_arn=f"{ROLE}-other")
        place.configure()
        folder.write_text("in its place")
        with running(home) as program:
            for _ in range(2):
                restart(home)
                assert {*listed(home)} == {program.id}
                assert program.shim().status == 0
                hidden = ("env", "-u", "AGENTKEYS_RUN", home.program(SHIM))
                assert program.do(*hidden).status == 0
                done = program.do(*hidden, "--profile", "other")
                assert (done.status, done.stdout) == (1, "")
                assert f"it is inside run {program.id}" in done.complaint()[0]
            home.succeed("agentkeys", "forget", "--run", program.id)
            restart(home)
            assert listed(home)[program.id]["state"] == "forgotten"
            assert program.shim().status == 1
    assert folder.is_file()
