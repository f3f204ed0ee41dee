"""The sandbox as a newcomer meets it, and the first configuration of one's own."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agentkeys.processes import ProcessId
from agentkeys.sandbox_record import SandboxRecord, load_sandbox_record
from agentkeys_shell.sandbox.iam import ROLE_ARN
from agentkeys_shell.sandbox.processes import wait_until
from tests.support.programs import Home, new_home

SHIM = "agentkeys-credential-process"

LIST_AND_WRITE = """\
import os
import boto3

s3 = boto3.client("s3")
place = {"Bucket": os.environ["AGENTKEYS_S3_BUCKET"]}
key = os.environ["AGENTKEYS_S3_PREFIX"] + "page"
s3.put_object(**place, Key=key, Body=b"")
print(key in [entry["Key"] for entry in s3.list_objects_v2(**place, Prefix=key)["Contents"]])
"""


@pytest.fixture(scope="module")
def newcomer() -> Iterator[Home]:
    """Who has started the sandbox and nothing else; the tests here may break it."""
    with new_home() as home:
        assert home.run("agentkeys", "sandbox", "start").status == 0
        (home.work / "scraper.py").write_text(LIST_AND_WRITE, encoding="utf-8")
        yield home


def record_of(home: Home) -> SandboxRecord:
    record = load_sandbox_record(home.state / "sandbox")
    assert record
    return record


def document(home: Home, *argv: str, env: dict[str, str] | None = None) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(home.succeed("agentkeys", *argv, "--json", env=env))
    return answer


def assert_it_works(home: Home) -> None:
    """Two commands after the start of the sandbox."""
    assert home.succeed("agentkeys", "exec", "--", "scraper.py") == "True\n"


# the sandbox


def test_starting_it_again_adds_what_is_asked_for(newcomer: Home) -> None:
    """It says that it runs, who is in it, that its data is open to all, and what to do next."""
    before = record_of(newcomer)
    done = newcomer.run("agentkeys", "sandbox", "start", "--users", "2")
    assert done.status == 0
    alice, bob = done.stdout.splitlines()
    assert alice.startswith("sandbox: alice, s3://agentkeys/bots/0x")
    assert bob.startswith("sandbox-bob: bob, s3://agentkeys/bots/0x")
    assert "the sandbox is already running\n" in done.stderr
    assert "anyone with an account on this machine can reach its data" in done.stderr
    assert "next: agentkeys exec -- PROGRAM\n" in done.stderr
    assert record_of(newcomer).broker == before.broker
    assert_it_works(newcomer)


def test_its_json_names_servers_and_users(newcomer: Home) -> None:
    """The same facts as for people."""
    done = newcomer.run("agentkeys", "sandbox", "start", "--users", "2", "--json")
    answer = json.loads(done.stdout)
    record = record_of(newcomer)
    assert (answer["version"], answer["broker"], answer["store"]) == (
        1,
        record.broker.url,
        record.store.url,
    )
    assert [user["identity"] for user in answer["users"]] == ["sandbox", "sandbox-bob"]
    assert answer["users"][0] == document(newcomer, "whoami")


def test_it_is_the_default_while_nothing_else_is_configured(newcomer: Home) -> None:
    """And says so."""
    profiles = document(newcomer, "profiles")
    assert profiles["default_profile"] == "sandbox"
    assert profiles["config"] == "sandbox"
    assert "sandbox*" in newcomer.succeed("agentkeys", "profiles")


@pytest.mark.parametrize("how", ["a file", "a named file", "the environment"])
def test_a_users_own_configuration_wins(newcomer: Home, tmp_path: Path, how: str) -> None:
    """The sandbox's profiles stay within reach by name."""
    text = (
        '[identities.me]\nsource = "broker"\nurl = "https://broker.example.com"\n'
        f'[profiles.data]\nidentity = "me"\nrole_arn = "{ROLE_ARN}"\n'
    )
    # Its own socket: the settings are other ones than the running daemon's.
    env = {"AGENTKEYS_SOCKET": str(newcomer.folder / "other" / "daemon.sock")}
    if how == "a file":
        env["XDG_CONFIG_HOME"] = str(tmp_path)
        (tmp_path / "agentkeys").mkdir(mode=0o700)
        (tmp_path / "agentkeys" / "config.toml").write_text(text, encoding="utf-8")
    elif how == "a named file":
        env["AGENTKEYS_CONFIG"] = str(tmp_path / "own.toml")
        (tmp_path / "own.toml").write_text(text, encoding="utf-8")
    else:
        env["AGENTKEYS_BROKER_URL"] = "https://broker.example.com"
        env["AGENTKEYS_DATA_ROLE_ARN"] = ROLE_ARN
    try:
        profiles = document(newcomer, "profiles", env=env)
        done = newcomer.run("agentkeys", "exec", "--", "true", env=env)
        newcomer.succeed(SHIM, "--profile", "sandbox", env=env)
    finally:
        newcomer.succeed("agentkeys", "daemon", "stop", env=env)
    name, identity = ("default", "default") if how == "the environment" else ("data", "me")
    assert profiles["default_profile"] == name
    assert {profile["name"] for profile in profiles["profiles"]} >= {name, "sandbox"}
    assert done.status == 125
    assert done.complaint()[0] == f"nobody is logged in as {identity}"


def test_a_restarted_daemon_logs_in_by_itself(newcomer: Home) -> None:
    """Nothing is kept in a memory vault, and nobody has to care."""
    newcomer.succeed("agentkeys", "daemon", "restart")
    assert_it_works(newcomer)


def test_a_restarted_sandbox_is_taken_up_by_the_same_daemon(newcomer: Home) -> None:
    """Its broker has other keys and its store other ports; the same program still works."""
    pid = newcomer.daemon_pid()
    before = record_of(newcomer)
    assert newcomer.succeed("agentkeys", "sandbox", "stop") == "stopped, its data is gone\n"
    assert newcomer.run("agentkeys", "sandbox", "start").status == 0
    assert record_of(newcomer).broker != before.broker
    assert_it_works(newcomer)
    assert newcomer.daemon_pid() == pid


def test_a_sandbox_that_died_is_no_default_any_more(newcomer: Home) -> None:
    """It is told as nothing at all; another start mends it."""
    record = record_of(newcomer)
    os.kill(record.broker.pid, signal.SIGKILL)
    assert wait_until(lambda: ProcessId.of(record.broker.pid) is None, seconds=60)
    done = newcomer.run("agentkeys", "exec", "--", "true")
    assert done.status == 125
    assert done.complaint()[0] == "nothing is configured yet"
    assert newcomer.run("agentkeys", "sandbox", "start").status == 0
    assert ProcessId.of(record.store.pid) is None
    assert_it_works(newcomer)


def test_stopping_it_leaves_nothing(newcomer: Home) -> None:
    """No process, no data, no profile; a second stop says so."""
    record = record_of(newcomer)
    assert document(newcomer, "sandbox", "stop") == {"version": 1, "stopped": True}
    assert ProcessId.of(record.broker.pid) is None
    assert ProcessId.of(record.store.pid) is None
    assert {path.name for path in (newcomer.state / "sandbox").iterdir()} <= {".lock"}
    assert document(newcomer, "profiles")["profiles"] == []
    assert newcomer.succeed("agentkeys", "sandbox", "stop") == "no sandbox was running\n"
    assert document(newcomer, "sandbox", "stop") == {"version": 1, "stopped": False}


@pytest.mark.parametrize("count", ["0", "9", "many"])
def test_a_number_of_users_that_cannot_be_is_a_mistake(home: Home, count: str) -> None:
    """Before anything is started."""
    done = home.run("agentkeys", "sandbox", "start", "--users", count)
    assert (done.status, done.stdout) == (2, "")
    assert done.complaint()[1] == "see agentkeys sandbox start --help"
    assert not home.state.exists()


# the first configuration


def init(sandbox: SandboxRecord) -> list[str]:
    """The options for the shared sandbox's broker and store."""
    return [
        "init", "--broker-url", sandbox.broker.url, "--kind", "seaweedfs",
        "--sts-endpoint", sandbox.store.url, "--role-arn", ROLE_ARN, "--bucket", "agentkeys",
    ]  # fmt: skip


def test_init_writes_a_configuration_that_works(home: Home, sandbox: SandboxRecord) -> None:
    """From there it is a login and a program."""
    said = home.succeed("agentkeys", *init(sandbox))
    assert said == f"wrote {home.config}\nnext: agentkeys login\n"
    assert home.config.stat().st_mode & 0o777 == 0o600
    assert home.run("agentkeys", "login", "--email", "new@example.com").status == 0
    (home.work / "scraper.py").write_text(LIST_AND_WRITE, encoding="utf-8")
    assert_it_works(home)


def test_init_never_overwrites_unless_told_to(home: Home, sandbox: SandboxRecord) -> None:
    """What is there stays as it is, to the byte."""
    home.configure("# mine\n")
    done = home.run("agentkeys", *init(sandbox))
    assert (done.status, done.stdout) == (1, "")
    assert done.complaint() == (
        f"{home.config} exists already",
        "edit it, or add --force to replace it",
    )
    assert home.config.read_text(encoding="utf-8") == "# mine\n"
    answer = document(home, *init(sandbox), "--force", "--profile", "data")
    assert answer == {"version": 1, "path": str(home.config), "profile": "data"}
    assert document(home, "profiles")["default_profile"] == "data"


def test_init_takes_the_file_that_the_environment_names(home: Home, sandbox: SandboxRecord) -> None:
    """And makes its folder."""
    path = home.folder / "own" / "agentkeys.toml"
    home.succeed("agentkeys", *init(sandbox), env={"AGENTKEYS_CONFIG": str(path)})
    assert path.exists()
    assert not home.config.exists()


def test_init_without_a_terminal_needs_its_options(home: Home) -> None:
    """The one that is missing is named, and nothing is written."""
    for options, missing in (
        ([], "--broker-url"),
        (["--broker-url", "https://broker.example.com"], "--role-arn"),
        (["--broker-url", "https://broker.example.com", "--kind", "minio"], "--sts-endpoint"),
    ):
        done = home.run("agentkeys", "init", *options)
        assert (done.status, done.stdout) == (2, "")
        error, hint = done.complaint()
        assert error == f"{missing} is needed, and there is no terminal to ask at"
        assert hint == "see agentkeys init --help"
    assert not home.config.exists()


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--broker-url", "http://broker.example.com"),
        ("--broker-url", "broker.example.com"),
        ("--role-arn", "admin"),
        ("--prefix", "bots/{nobody}/"),
        ("--profile", "two words"),
    ],
)
def test_init_refuses_what_would_not_be_read(home: Home, option: str, value: str) -> None:
    """With the error that a reader would give, and nothing is written."""
    options = {
        "--broker-url": "https://broker.example.com",
        "--role-arn": "arn:aws:iam::111122223333:role/data",
        option: value,
    }
    done = home.run("agentkeys", "init", *[word for pair in options.items() for word in pair])
    assert (done.status, done.stdout) == (1, "")
    done.complaint()
    assert not home.config.exists()


def test_init_asks_a_person(home: Home) -> None:
    """For what is missing, and for nothing else."""
    with home.at_terminal("agentkeys", "init", "--region", "eu-central-1") as terminal:
        terminal.expect("broker URL: ")
        terminal.type("https://broker.example.com\n")
        terminal.expect("kind of store")
        terminal.type("\n")
        terminal.expect("role ARN: ")
        terminal.type("arn:aws:iam::111122223333:role/data\n")
        terminal.expect("next: agentkeys login")
        assert terminal.finish().status == 0
    (profile,) = document(home, "profiles")["profiles"]
    assert profile == {
        "name": "default",
        "identity": "me",
        "store": "aws",
        "kind": "aws",
        "role_arn": "arn:aws:iam::111122223333:role/data",
        "region": "eu-central-1",
        "duration_seconds": 3600,
        "bucket": None,
        "prefix": "bots/{wallet}/",
        "break_glass": False,
        "s3_endpoint": None,
        "confine": "tags",
    }


# status


def test_status_shows_people_what_programs_read(sandbox_home: Home) -> None:
    """Profile, who, role, key, expiry and state, one line for each profile."""
    sandbox_home.succeed(SHIM)
    status = document(sandbox_home, "status")
    shown = sandbox_home.succeed("agentkeys", "status")
    profile = status["profiles"][0]
    line = next(line for line in shown.splitlines() if line.startswith("sandbox*"))
    subject = profile["subject"]
    assert f"{subject[:6]}…{subject[-4:]}" in line
    assert profile["role_arn"].rpartition("/")[2] in line
    assert f"…{profile['key_ending']}" in line
    assert line.split()[-1] == profile["state"] == "fresh"
    assert str(status["daemon"]["pid"]) in shown


def test_status_holds_no_secret(sandbox_home: Home) -> None:
    """Of a key only its last four characters."""
    held = json.loads(sandbox_home.succeed(SHIM))
    for argv in (["status", "--json"], ["status"], ["whoami", "--json"], ["profiles", "--json"]):
        printed = sandbox_home.succeed("agentkeys", *argv)
        for name in ("AccessKeyId", "SecretAccessKey", "SessionToken"):
            assert held[name] not in printed
        assert "eyJ" not in printed


def test_status_remembers_why_a_profile_fails(home: Home, sandbox: SandboxRecord) -> None:
    """The last error stays until something works."""
    options = ["--force", "--role-arn", ROLE_ARN + "-of-nobody"]
    home.succeed("agentkeys", *init(sandbox), *options)
    assert home.run("agentkeys", "login", "--email", "new@example.com").status == 0
    done = home.run(SHIM)
    assert (done.status, done.stdout) == (1, "")
    error, hint = done.complaint()
    last = document(home, "status")["profiles"][0]["last_error"]
    assert (last["message"], last["hint"]) == (error, hint)
    # A table wraps to the width of its screen; words stay.
    assert "-of-nobody" in "".join(home.succeed("agentkeys", "status").split())
    home.succeed("agentkeys", *init(sandbox), "--force")
    home.succeed(SHIM)
    assert document(home, "status")["profiles"][0]["last_error"] is None
