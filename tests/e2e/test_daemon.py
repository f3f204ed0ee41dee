"""The daemon's life: started on demand, one at a time, detached, and gone when told to go."""

from __future__ import annotations

import json
import os
import re
import signal
import stat
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from agentkeys.processes import ProcessId
from agentkeys_shell.sandbox.processes import wait_until
from tests.support.programs import Home, read_line

SHIM = "agentkeys-credential-process"
FIGURES = ("resident_bytes", "open_descriptors")


def access_key(home: Home) -> str:
    """Of the lease that the default profile has now."""
    return str(json.loads(home.succeed(SHIM))["AccessKeyId"])


def running(home: Home) -> int:
    """The pid of the daemon, which has to run."""
    pid = home.daemon_pid()
    assert pid
    return pid


def told(home: Home, command: str) -> dict[str, Any]:
    """What `agentkeys daemon` says of the daemon, without what differs from moment to moment."""
    document = json.loads(home.succeed("agentkeys", "daemon", command, "--json"))
    return {name: value for name, value in document["daemon"].items() if name not in FIGURES}


def has_ended(pid: int) -> bool:
    return ProcessId.of(pid) is None


def logged(home: Home) -> list[dict[str, Any]]:
    lines = home.succeed("agentkeys", "daemon", "logs", "--json").splitlines()
    return [json.loads(line) for line in lines]


def environment_of(pid: int) -> dict[str, str]:
    entries = Path(f"/proc/{pid}/environ").read_text(encoding="utf-8").split("\0")
    return dict(entry.split("=", 1) for entry in entries if entry)


# starting


@pytest.mark.parametrize(
    "argv",
    [
        [SHIM],
        ["agentkeys", "exec", "--", "true"],
        ["agentkeys", "whoami"],
        ["agentkeys", "profiles"],
        ["agentkeys", "daemon", "start"],
        ["agentkeys", "daemon", "restart"],
    ],
    ids=" ".join,
)
def test_whoever_needs_it_starts_it(user_home: Home, argv: list[str]) -> None:
    """And it stays when the command has ended."""
    user_home.succeed(*argv)
    assert running(user_home)


@pytest.mark.parametrize(
    ("argv", "status"),
    [
        (["agentkeys", "status"], 0),
        (["agentkeys", "status", "--json"], 0),
        (["agentkeys", "daemon", "status"], 4),
        (["agentkeys", "daemon", "status", "--json"], 4),
        (["agentkeys", "daemon", "stop"], 0),
        (["agentkeys", "daemon", "logs"], 0),
        (["agentkeys", "--help"], 0),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_whoever_only_looks_does_not_start_it(home: Home, argv: list[str], status: int) -> None:
    """Nor leaves a trace on the disk."""
    assert home.run(*argv).status == status
    assert not home.socket.parent.exists()
    assert not home.state.exists()


def test_status_without_a_daemon_is_an_answer(home: Home) -> None:
    """For programs a document with the same keys as ever, for people a sentence."""
    document = json.loads(home.succeed("agentkeys", "status", "--json"))
    assert document == {
        "version": 1,
        "daemon": None,
        "default_profile": None,
        "identities": [],
        "profiles": [],
        "runs": [],
        "notices": [],
    }
    assert "no daemon is running" in home.succeed("agentkeys", "status")


def test_start_and_status_tell_the_same(home: Home) -> None:
    """Where it listens and what it is, as JSON and for people."""
    started = told(home, "start")
    assert started["socket"] == str(home.socket)
    assert (started["protocol"], started["vault"]) == (1, "memory")
    assert told(home, "status") == started
    assert told(home, "start") == started
    assert str(started["pid"]) in home.succeed("agentkeys", "daemon", "status")


def test_it_tells_what_it_takes_of_the_machine(home: Home) -> None:
    """Memory and descriptors, to programs and to people; nobody else may be able to look."""
    pid = int(told(home, "start")["pid"])
    document = json.loads(home.succeed("agentkeys", "daemon", "status", "--json"))
    resident, descriptors = (document["daemon"][name] for name in FIGURES)
    assert 10 * 2**20 < resident < 200 * 2**20
    assert descriptors == pytest.approx(len(list(Path(f"/proc/{pid}/fd").iterdir())), abs=3)
    shown = home.succeed("agentkeys", "daemon", "status")
    assert re.search(r"^resident bytes +\d+$", shown, re.MULTILINE)
    assert re.search(r"^open descriptors +\d+$", shown, re.MULTILINE)


def test_many_commands_at_once_start_one(user_home: Home) -> None:
    """One starts it, the others wait, and all get the same credentials from a single mint."""
    with ThreadPoolExecutor(12) as pool:
        asks = [pool.submit(user_home.succeed, SHIM) for _ in range(12)]
        answers = {ask.result() for ask in asks}
    assert len(answers) == 1
    serving = [line for line in logged(user_home) if line["message"].startswith("serving")]
    assert [line["pid"] for line in serving] == [running(user_home)]


def test_a_second_daemon_does_not_start(home: Home) -> None:
    """`daemon run` beside a running one says so, and leaves that one alone."""
    home.succeed("agentkeys", "daemon", "start")
    pid = running(home)
    done = home.run("agentkeys", "daemon", "run")
    assert (done.status, done.stdout) == (1, "")
    assert "already serves" in done.complaint()[0]
    assert running(home) == pid


def test_in_the_foreground_it_runs_until_told_to_end(home: Home) -> None:
    """`daemon run` says when it is ready, serves, and ends with 0 on Ctrl-C's signal."""
    with home.start("agentkeys", "daemon", "run") as process:
        assert read_line(process.stderr) == "agentkeys: ready"
        assert running(home) == process.pid
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) == 0
    assert home.daemon_pid() is None


def test_a_daemon_that_cannot_start_says_why(home: Home) -> None:
    """What is in the way and what to do, with status 4, and as one error."""
    home.state.mkdir(mode=0o777)
    home.state.chmod(0o777)
    done = home.run("agentkeys", "daemon", "start")
    assert (done.status, done.stdout) == (4, "")
    error, hint = done.complaint()
    assert error.startswith(f"the daemon could not start: the folder {home.state} is ")
    assert "chmod 700" in hint


# what it is


def test_its_socket_and_folders_are_private(user_home: Home) -> None:
    """Mode 0600 in a folder of 0700; so is everything that it writes."""
    user_home.succeed("agentkeys", "exec", "--", "true")
    assert stat.S_IMODE(user_home.socket.stat().st_mode) == 0o600
    assert stat.S_IMODE(user_home.socket.parent.stat().st_mode) == 0o700
    for path in (user_home.state, *user_home.state.rglob("*")):
        assert not stat.S_IMODE(path.stat().st_mode) & 0o077, path


@pytest.fixture
def pipe() -> Iterator[int]:
    """A pipe's end that any program we start gets."""
    reader, writer = os.pipe()
    yield writer
    os.close(reader)
    os.close(writer)


def test_it_keeps_nothing_of_its_caller(home: Home, pipe: int) -> None:
    """No open file, no folder, no session: whoever waits for those does not wait for it."""
    with home.start("agentkeys", "daemon", "start", pass_fds=[pipe]) as process:
        # These return at the end of the streams, which a daemon that held them would keep open.
        process.communicate(timeout=60)
    here = Path(f"/proc/{running(home)}")
    held = {str(link.readlink()) for link in (here / "fd").iterdir()}
    assert f"pipe:[{os.fstat(pipe).st_ino}]" not in held
    assert [str((here / "fd" / number).readlink()) for number in "012"] == ["/dev/null"] * 3
    assert (here / "cwd").readlink() == Path("/")
    assert os.getsid(int(here.name)) != os.getsid(0)


def test_its_environment_is_a_clean_one(user_home: Home) -> None:
    """No AWS setting and no secret of the project that happened to start it."""
    env = {
        "AWS_ACCESS_KEY_ID": "AKIAINHERITED",
        "AWS_SECRET_ACCESS_KEY": "inherited",
        "AWS_ENDPOINT_URL_STS": "https://elsewhere.example.com",
        "DATABASE_PASSWORD": "secret",
        "PYTHONPATH": "/elsewhere",
        "LD_LIBRARY_PATH": "/elsewhere",
        "HTTPS_PROXY": "http://127.0.0.1:9",
    }
    user_home.succeed(SHIM, env=env)
    environment = environment_of(running(user_home))
    assert set(environment) & set(env) == {"HTTPS_PROXY"}
    assert not [name for name in environment if name.startswith("AWS_")]
    assert environment["AGENTKEYS_SOCKET"] == str(user_home.socket)


def test_a_program_that_waits_for_all_its_children_does_not_wait_for_it(user_home: Home) -> None:
    """The daemon that exec has started on the way is not a child of the program."""
    script = "import os\ntry:\n    os.wait()\nexcept ChildProcessError:\n    print('no children')"
    printed = user_home.succeed("agentkeys", "exec", "--", "python3", "-c", script)
    assert printed == "no children\n"
    assert running(user_home)


# ending


def test_stop_ends_it_and_says_whether_there_was_one(home: Home) -> None:
    """It is gone when the command returns, and its socket with it."""
    home.succeed("agentkeys", "daemon", "start")
    pid = running(home)
    assert home.succeed("agentkeys", "daemon", "stop") == "stopped\n"
    assert has_ended(pid)
    assert not home.socket.exists()
    assert home.succeed("agentkeys", "daemon", "stop") == "no daemon was running\n"
    stopped = json.loads(home.succeed("agentkeys", "daemon", "stop", "--json"))
    assert stopped == {"version": 1, "stopped": False}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_it_and_takes_the_secrets_along(
    user_home: Home, number: signal.Signals
) -> None:
    """The socket is removed, the end is in the log, and the next request needs a new mint."""
    before = access_key(user_home)
    assert access_key(user_home) == before
    pid = running(user_home)
    os.kill(pid, number)
    assert wait_until(lambda: has_ended(pid), seconds=60)
    assert not user_home.socket.exists()
    assert logged(user_home)[-1]["message"] == "ended"
    assert access_key(user_home) != before


@pytest.mark.parametrize("command", ["stop", "restart"])
def test_a_daemon_that_somebody_has_stopped_goes_on_first(home: Home, command: str) -> None:
    """By SIGSTOP or Ctrl-Z: then it does what it is told, in its own process, and in order."""
    home.succeed("agentkeys", "daemon", "start")
    pid = home.daemon_pid()
    assert pid
    os.kill(pid, signal.SIGSTOP)
    done = home.run("agentkeys", "daemon", command)
    told = f"agentkeys: the daemon, pid {pid}, was stopped by a signal: letting it go on\n"
    assert (done.status, done.stderr) == (0, told)
    assert home.daemon_pid() == (pid if command == "restart" else None)


def test_a_killed_daemon_is_replaced(user_home: Home) -> None:
    """The socket that it left behind is in nobody's way."""
    user_home.succeed(SHIM)
    pid = running(user_home)
    os.kill(pid, signal.SIGKILL)
    assert wait_until(lambda: has_ended(pid), seconds=60)
    assert user_home.socket.exists()
    assert user_home.daemon_pid() is None
    user_home.succeed(SHIM)
    assert running(user_home) != pid


def test_something_else_at_its_path_is_left_alone(user_home: Home) -> None:
    """A wrong AGENTKEYS_SOCKET must not cost anybody a file."""
    user_home.socket.parent.mkdir(mode=0o700)
    user_home.socket.write_text("precious", encoding="utf-8")
    done = user_home.run(SHIM)
    assert (done.status, done.stdout) == (4, "")
    error, hint = done.complaint()
    assert error.endswith(f"{user_home.socket} is not a socket")
    assert "AGENTKEYS_SOCKET" in hint
    assert user_home.socket.read_text(encoding="utf-8") == "precious"
    user_home.socket.unlink()


# other settings, other daemons


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("AGENTKEYS_CONFIG", "/elsewhere/config.toml"),
        ("AGENTKEYS_STATE_DIR", "/elsewhere"),
        ("AGENTKEYS_VAULT", "auto"),
        ("AGENTKEYS_BROKER_URL", "https://broker.example.com"),
        ("AGENTKEYS_DATA_ROLE_ARN", "arn:aws:iam::111122223333:role/data"),
    ],
)
def test_a_client_with_other_settings_is_refused(user_home: Home, name: str, value: str) -> None:
    """It would get what another configuration means; the hint mends it."""
    user_home.succeed(SHIM)
    for argv, status in (([SHIM], 1), (["agentkeys", "exec", "--", "true"], 125)):
        done = user_home.run(*argv, env={name: value})
        assert (done.status, done.stdout) == (status, "")
        assert done.complaint() == (
            f"the daemon was started with another {name}",
            "run: agentkeys daemon restart",
        )


def test_a_restart_takes_the_new_settings(user_home: Home) -> None:
    """As the hint of the refusal promises."""
    other = user_home.folder / "other.toml"
    text = user_home.config.read_text(encoding="utf-8")
    other.write_text(text.replace("[profiles.sandbox-bob]", "[profiles.other]"), encoding="utf-8")
    other.chmod(0o600)
    env = {"AGENTKEYS_CONFIG": str(other)}
    user_home.succeed(SHIM)
    assert user_home.run(SHIM, "--profile", "other", env=env).status == 1
    user_home.succeed("agentkeys", "daemon", "restart", env=env)
    user_home.succeed(SHIM, "--profile", "other", env=env)


def test_relative_settings_mean_the_callers_folder(user_home: Home) -> None:
    """A daemon that works in / still finds what its starter named."""
    text = user_home.config.read_text(encoding="utf-8")
    (user_home.work / "own.toml").write_text(text, encoding="utf-8")
    (user_home.work / "own.toml").chmod(0o600)
    env = {"AGENTKEYS_CONFIG": "own.toml", "AGENTKEYS_STATE_DIR": "own-state"}
    user_home.succeed(SHIM, env=env)
    assert (user_home.work / "own-state" / "logs").is_dir()
    user_home.succeed(SHIM, env=env)


def test_a_changed_configuration_is_read_again(user_home: Home) -> None:
    """Without a restart; a broken one is told by whoever asks, and mending it is enough."""
    user_home.succeed(SHIM)
    pid = running(user_home)
    text = user_home.config.read_text(encoding="utf-8")
    user_home.configure(text.replace("[profiles.sandbox-bob]", "[profiles.other]"))
    user_home.succeed(SHIM, "--profile", "other")
    user_home.configure(text + "[profiles.bad]\nidentty = 'me'\n")
    done = user_home.run(SHIM)
    assert (done.status, done.stdout) == (1, "")
    assert done.complaint() == (
        f"{user_home.config}: profiles.bad.identty is not a known key",
        "did you mean identity?",
    )
    assert "identty" in user_home.succeed("agentkeys", "status")
    user_home.configure(text)
    user_home.succeed(SHIM)
    assert running(user_home) == pid


def test_a_configuration_that_others_can_write_is_refused(user_home: Home) -> None:
    """Another user could send our tokens elsewhere."""
    user_home.config.chmod(0o666)
    done = user_home.run(SHIM)
    assert (done.status, done.stdout) == (1, "")
    assert done.complaint()[1] == f"run: chmod go-w {user_home.config}"


def test_a_named_configuration_that_is_missing_is_an_error(user_home: Home) -> None:
    """Never a reason to take another one."""
    done = user_home.run(SHIM, env={"AGENTKEYS_CONFIG": "/no/such/config.toml"})
    assert (done.status, done.stdout) == (1, "")
    assert "/no/such/config.toml" in done.complaint()[0]


# what it leaves


def test_its_log_and_ledger_hold_no_secret(user_home: Home) -> None:
    """Both tell what happened; a key shows in the ledger by its id alone."""
    document = json.loads(user_home.succeed(SHIM))
    user_home.succeed("agentkeys", "exec", "--", "true")
    user_home.succeed("agentkeys", "daemon", "stop")
    written = [path.read_text(encoding="utf-8") for path in user_home.state.rglob("*.jsonl")]
    assert len(written) == 2
    for text in written:
        assert document["SecretAccessKey"] not in text
        assert document["SessionToken"] not in text
        assert not re.search(r"eyJ[\w-]{10,}\.", text)
    ledger = (user_home.state / "audit" / "ledger.jsonl").read_text(encoding="utf-8")
    events = [json.loads(line)["event"] for line in ledger.splitlines()]
    assert events == ["login", "mint", "serve", "run_start", "run_end"]
    assert document["AccessKeyId"] in ledger


def test_logs_are_readable(home: Home) -> None:
    """The latest lines, as many as asked for."""
    home.succeed("agentkeys", "daemon", "start")
    home.succeed("agentkeys", "daemon", "stop")
    lines = home.succeed("agentkeys", "daemon", "logs").splitlines()
    assert [line.split(" ")[1] for line in lines] == ["info:", "info:"]
    assert lines[-1].endswith("ended")
    assert home.succeed("agentkeys", "daemon", "logs", "-n", "1").splitlines() == lines[-1:]


def test_a_daemon_that_nobody_can_find_any_more_ends(home: Home) -> None:
    """Its socket was removed; a second one would run beside it, and a logout would miss it."""
    home.succeed("agentkeys", "daemon", "start")
    pid = running(home)
    home.socket.unlink()
    assert wait_until(lambda: has_ended(pid), seconds=120)
    assert "somebody has removed the socket" in (home.state / "logs" / "daemon.jsonl").read_text()


def test_a_restart_that_would_fail_ends_nothing(home: Home) -> None:
    """What the running one holds in memory alone would be lost."""
    home.succeed("agentkeys", "daemon", "start")
    pid = running(home)
    home.socket.parent.chmod(0o755)
    failed = home.run("agentkeys", "daemon", "restart")
    home.socket.parent.chmod(0o700)
    assert failed.status == 4
    assert "open to other users" in failed.complaint()[0]
    assert running(home) == pid


@pytest.mark.parametrize("name", ["start.lock", "daemon.sock.lock", "daemon.sock.pid"])
def test_a_file_that_cannot_be_written_is_told(home: Home, name: str) -> None:
    """By its path, whatever lies in its place."""
    home.socket.parent.mkdir(mode=0o700)
    (home.socket.parent / name).mkdir()
    failed = home.run("agentkeys", "daemon", "start")
    assert failed.status == 4
    assert name in failed.complaint()[0]
