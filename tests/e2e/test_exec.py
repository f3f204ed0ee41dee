"""`agentkeys exec`: the program runs as if it had been started itself, with a run's credentials."""

from __future__ import annotations

import re
import signal
import stat
import subprocess
from pathlib import Path

import pytest

from agentkeys.sandbox_record import SandboxRecord
from tests.support.programs import Finished, Home, read_line

WALLET = re.compile(r"0x[0-9a-f]{40}")
SETTINGS = ("AGENTKEYS_STATE_DIR", "AGENTKEYS_VAULT")
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


def child_variables(home: Home, *options: str, env: dict[str, str] | None = None) -> dict[str, str]:
    """The whole environment of a program under `exec`."""
    printed = home.succeed("agentkeys", "exec", *options, "--", "env", "-0", env=env)
    return dict(entry.split("=", 1) for entry in printed.split("\0") if entry)


def ours(variables: dict[str, str]) -> dict[str, str]:
    """What `exec` has put there; the settings of agentkeys itself stay in any case."""
    return {
        name: value
        for name, value in variables.items()
        if name.startswith(("AWS_", "AGENTKEYS_")) and name not in SETTINGS
    }


def write_file(path: Path, text: str, *, mode: int = 0o644) -> None:
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)


# the environment


def test_a_program_gets_credentials_endpoint_and_place(
    sandbox_home: Home, sandbox: SandboxRecord
) -> None:
    """Every variable that a client or a program may need, and no other."""
    variables = ours(child_variables(sandbox_home))
    wallet = variables["AGENTKEYS_USER_WALLET"]
    assert WALLET.fullmatch(wallet)
    assert TIME.fullmatch(variables.pop("AWS_CREDENTIAL_EXPIRATION"))
    run_id = variables.pop("AGENTKEYS_RUN")
    assert re.fullmatch(r"[a-z2-7]{16}", run_id)
    assert variables.pop("AWS_SDK_UA_APP_ID") == run_id
    for secret in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        assert variables.pop(secret)
    for file in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        assert Path(variables.pop(file)).is_relative_to(sandbox_home.state)
    assert variables == {
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": sandbox.store.url,
        "AWS_ALLOW_HTTP": "true",
        "AWS_ENDPOINT_URL_S3": sandbox.store.url,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AGENTKEYS_PROFILE": "sandbox",
        "AGENTKEYS_USER_WALLET": wallet,
        "AGENTKEYS_S3_BUCKET": "agentkeys",
        "AGENTKEYS_S3_PREFIX": f"bots/{wallet}/",
    }


def test_bytes_that_are_no_text_pass_unchanged(sandbox_home: Home) -> None:
    """In arguments and in variables."""
    odd = b"\xff\xfe".decode(errors="surrogateescape")
    done = subprocess.run(
        [
            sandbox_home.program("agentkeys"),
            "exec",
            "--",
            "sh",
            "-c",
            'printf %s "$ODD$1"',
            "sh",
            odd,
        ],
        env={**sandbox_home.environment, "ODD": odd},
        capture_output=True,
        timeout=120,
        check=True,
    )
    assert done.stdout == b"\xff\xfe\xff\xfe"


def test_the_private_aws_files_name_the_endpoint_and_no_secret(
    sandbox_home: Home, sandbox: SandboxRecord
) -> None:
    """Clients that know no endpoint variable find it there, and nothing of the user's own."""
    variables = child_variables(sandbox_home)
    config = Path(variables["AWS_CONFIG_FILE"])
    assert config.read_text() == (
        f"[default]\nregion = us-east-1\nendpoint_url = {sandbox.store.url}\n"
    )
    credentials = Path(variables["AWS_SHARED_CREDENTIALS_FILE"])
    assert credentials.read_text() == ""
    for file in (config, credentials):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_profile_is_chosen_by_option_or_variable(sandbox_home: Home) -> None:
    """`--profile P`, `-p P`, `--profile=P` and AGENTKEYS_PROFILE, of which the option wins."""
    bob = child_variables(sandbox_home, "--profile", "sandbox-bob")["AGENTKEYS_USER_WALLET"]
    alice = child_variables(sandbox_home)["AGENTKEYS_USER_WALLET"]
    assert alice != bob
    by_variable = {"AGENTKEYS_PROFILE": "sandbox-bob"}
    for options, env, wallet in (
        (["-p", "sandbox-bob"], {}, bob),
        (["--profile=sandbox-bob"], {}, bob),
        ([], by_variable, bob),
        (["--profile", "sandbox"], by_variable, alice),
    ):
        variables = child_variables(sandbox_home, *options, env=env)
        assert variables["AGENTKEYS_USER_WALLET"] == wallet
        assert variables["AGENTKEYS_PROFILE"] == ("sandbox-bob" if wallet == bob else "sandbox")


def test_runs_of_a_profile_share_its_lease(sandbox_home: Home) -> None:
    """The same key for each, and a run id of its own."""
    first, second = child_variables(sandbox_home), child_variables(sandbox_home)
    assert first["AWS_ACCESS_KEY_ID"] == second["AWS_ACCESS_KEY_ID"]
    assert first["AGENTKEYS_RUN"] != second["AGENTKEYS_RUN"]


# the process


def test_the_program_takes_the_place_of_agentkeys(sandbox_home: Home) -> None:
    """The same process, in the same folder, with the caller's descriptors and no others."""
    script = "echo $$; pwd; ls /proc/$$/fd"
    with sandbox_home.start("agentkeys", "exec", "--", "sh", "-c", script) as process:
        out, err = process.communicate(timeout=120)
    assert out.split() == [str(process.pid), str(sandbox_home.work), "0", "1", "2"]
    assert err == ""


@pytest.mark.parametrize("status", [0, 1, 42, 125, 255])
def test_the_exit_status_is_the_programs(sandbox_home: Home, status: int) -> None:
    """Whatever it is."""
    done = sandbox_home.run("agentkeys", "exec", "--", "sh", "-c", f"exit {status}")
    assert done == Finished(status, "", "")


def test_a_shell_sees_the_signal_that_killed_the_program(sandbox_home: Home) -> None:
    """As 128 and its number, the way of a program that was not wrapped."""
    killed = sandbox_home.run("agentkeys", "exec", "--", "sh", "-c", "kill -TERM $$")
    assert killed.status == -signal.SIGTERM
    inner = f"{sandbox_home.program('agentkeys')} exec -- sh -c 'kill -USR1 $$' ; echo $?"
    told = sandbox_home.run("sh", "-c", inner)
    assert told.stdout == f"{128 + signal.SIGUSR1}\n"


TRAP = """\
import signal, sys
signal.signal(signal.Signals(int(sys.argv[1])), lambda number, frame: sys.exit(7))
print("ready", flush=True)
while True:
    signal.pause()
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1])
def test_signals_reach_the_program(sandbox_home: Home, number: signal.Signals) -> None:
    """What is sent to `agentkeys exec` is sent to what it became."""
    argv = ["agentkeys", "exec", "--", "python3", "-c", TRAP, str(int(number))]
    with sandbox_home.start(*argv) as process:
        assert read_line(process.stdout) == "ready"
        process.send_signal(number)
        assert process.wait(timeout=120) == 7


def test_no_signal_is_ignored_in_the_program(sandbox_home: Home) -> None:
    """Python ignores some from its start; a pipeline under exec must end as usual."""
    done = sandbox_home.run("agentkeys", "exec", "--", "sh", "-c", "yes | head -1")
    assert (done.status, done.stdout, done.stderr) == (0, "y\n", "")
    status = sandbox_home.succeed("agentkeys", "exec", "--", "cat", "/proc/self/status")
    for field in ("SigIgn", "SigBlk"):
        mask = re.search(rf"^{field}:\s+([0-9a-f]+)$", status, re.MULTILINE)
        assert mask
        # Of 1 to 31: make leaves the two that the C library has for itself ignored.
        assert int(mask[1], 16) & 0x7FFF_FFFF == 0, field


def test_standard_input_is_the_programs(sandbox_home: Home) -> None:
    """To the last byte."""
    text = "line\n" * 100_000
    done = sandbox_home.run("agentkeys", "exec", "--", "cat", stdin=text)
    assert (done.status, done.stdout) == (0, text)


def test_closed_streams_do_no_harm(sandbox_home: Home) -> None:
    """A program may be started without any of the three."""
    script = 'echo "$AGENTKEYS_PROFILE" >here'
    program = sandbox_home.program("agentkeys")
    done = sandbox_home.run("sh", "-c", f"{program} exec -- sh -c '{script}' <&- >&- 2>&-")
    assert done.status == 0
    assert (sandbox_home.work / "here").read_text() == "sandbox\n"


def test_the_terminal_is_the_programs(sandbox_home: Home) -> None:
    """It sees a terminal on all three streams, and Ctrl-C goes to it."""
    argv = ["agentkeys", "exec", "--"]
    with sandbox_home.at_terminal(*argv, "sh", "-c", "test -t 0 -a -t 1 -a -t 2") as terminal:
        assert terminal.finish().status == 0
    with sandbox_home.at_terminal(*argv, "python3", "-c", TRAP, "2") as terminal:
        terminal.expect("ready")
        terminal.type("\x03")
        assert terminal.finish().status == 7


# what cannot be run


def test_a_missing_program_is_127(sandbox_home: Home) -> None:
    """As for `env`; a file in the current folder is not looked for unless it ends in .py."""
    write_file(sandbox_home.work / "tool", "#!/bin/sh\n", mode=0o755)
    for name in ("no-such-program", "./no-such-program", "/no/such/program", "tool", "nosuch.py"):
        done = sandbox_home.run("agentkeys", "exec", "--", name)
        assert (done.status, done.stdout) == (127, "")
        error, hint = done.complaint()
        assert error == f"{name}: command not found"
        assert hint == "check the spelling, or give the program's path"


def test_a_program_that_cannot_be_run_is_126(sandbox_home: Home) -> None:
    """A file that is not executable, and a folder."""
    write_file(sandbox_home.work / "text", "hello\n")
    (sandbox_home.work / "folder").mkdir(exist_ok=True)
    for name in ("./text", "./folder", str(sandbox_home.work / "text")):
        done = sandbox_home.run("agentkeys", "exec", "--", name)
        assert (done.status, done.stdout) == (126, "")
        error, _ = done.complaint()
        assert error == f"{name} cannot be run: permission denied"


def test_a_file_on_the_path_that_is_not_executable_is_126(sandbox_home: Home) -> None:
    """Unless a later folder has one that is."""
    folder = sandbox_home.folder / "own"
    folder.mkdir()
    path = {"PATH": f"{folder}:{sandbox_home.environment['PATH']}"}
    write_file(folder / "own-tool", "#!/bin/sh\n")
    write_file(folder / "true", "#!/bin/sh\nexit 9\n")
    assert sandbox_home.run("agentkeys", "exec", "--", "own-tool", env=path).status == 126
    assert sandbox_home.run("agentkeys", "exec", "--", "true", env=path).status == 0


def test_a_script_without_an_interpreter_line_is_the_shells(sandbox_home: Home) -> None:
    """As for `env` and every shell."""
    write_file(sandbox_home.work / "plain", 'echo "$0 $1 $AGENTKEYS_PROFILE"\n', mode=0o755)
    printed = sandbox_home.succeed("agentkeys", "exec", "--", "./plain", "argument")
    assert printed == "./plain argument sandbox\n"


# our own failures: 125


def test_an_unknown_profile_names_the_nearest_one(sandbox_home: Home) -> None:
    """And the program is not run."""
    done = sandbox_home.run("agentkeys", "exec", "-p", "sandbox-bobb", "--", "touch", "ran")
    assert (done.status, done.stdout) == (125, "")
    assert done.complaint() == (
        "there is no profile 'sandbox-bobb'",
        "did you mean sandbox-bob?",
    )
    assert not (sandbox_home.work / "ran").exists()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--allow", "s3://agentkeys/bots/"], "does not end in :ro or :rw"),
        (["--allow", "agentkeys/bots/:ro"], "does not begin with s3://"),
        (["--allow", "s3://agentkeys:ro"], "has no slash after the bucket"),
        (["--allow", "s3://agent*/:ro"], "does not name a bucket"),
        (["--allow", "s3://agentkeys/bots*:ro"], "has a *"),
        (["--allow", "s3://agentkeys/${aws:username}/:ro"], "has a $"),
        (["--allow", "s3://agentkeys/bots/../:ro"], "a . or a .. in its path"),
        (["--allow", "s3://agentkeys/a\nb/:ro"], "beyond printable ASCII"),
        (["--allow", "s3://agentkeys/a/:ro", "--allow", "x"], "does not begin with s3://"),
        (["--allow", "s3://agentkeys/" + "a" * 1200 + "/:ro"], "has a key of 1201 characters"),
        (["--allow", "s3://agentkeys/" + "a" * 900 + "/:rw"], "more than an STS takes"),
        (["--set", "KEY"], "is not NAME=FIELD"),
        (["--set", "=region"], "is not NAME=FIELD"),
        (["--set", "KEY=secret"], "is not NAME=FIELD"),
        (["--refresh", "--set", "KEY=access_key_id"], "the run has no access_key_id"),
        (["--refresh", "--inherit-aws"], "exclude each other"),
        (["--json"], "--json is for --explain"),
        (["--set", ""], "is empty"),
        (["--keep-env", ""], "is empty"),
        (["--allow", ""], "is empty"),
    ],
)
def test_what_cannot_be_had_starts_no_program(
    sandbox_home: Home, options: list[str], words: str
) -> None:
    """And no run; one line says what is wrong with it."""
    done = sandbox_home.run("agentkeys", "exec", *options, "--", "touch", "ran")
    assert (done.status, done.stdout) == (125, "")
    error, hint = done.complaint()
    assert words in error
    assert hint
    assert not (sandbox_home.work / "ran").exists()
    assert sandbox_home.succeed("agentkeys", "runs", "--json") == '{"version": 1, "runs": []}\n'


@pytest.mark.parametrize("before", [[], ["--"], ["--explain"]], ids=" ".join)
def test_a_program_without_a_name_is_told_as_such(sandbox_home: Home, before: list[str]) -> None:
    """It comes from an unset shell variable; nobody looks for it in the folders of PATH."""
    done = sandbox_home.run("agentkeys", "exec", *before, "", "argument")
    assert (done.status, done.stdout) == (125, "")
    assert done.complaint() == (
        "the name of the program is empty",
        "an unset shell variable may be the cause",
    )


def test_nothing_configured_is_told_with_the_next_step(home: Home) -> None:
    """A newcomer is told of `init` and of the sandbox."""
    done = home.run("agentkeys", "exec", "--", "true")
    assert (done.status, done.stdout) == (125, "")
    assert done.complaint() == (
        "nothing is configured yet",
        "run: agentkeys init, or try it out with: agentkeys sandbox start",
    )


def test_a_wrong_configuration_is_told_with_its_key(home: Home) -> None:
    """The file, the key and what would be right."""
    home.configure('[identities.me]\nsource = "broker"\nurl = "http://broker.example.com"\n')
    done = home.run("agentkeys", "exec", "--", "true")
    assert (done.status, done.stdout) == (125, "")
    error, hint = done.complaint()
    assert error.startswith(f"{home.config}: identities.me.url uses http:// for broker.example.com")
    assert "https://" in hint


def test_no_daemon_and_none_to_be_had_is_125(home: Home) -> None:
    """A socket path that no system takes, and a folder that cannot be made."""
    too_long = {"AGENTKEYS_SOCKET": f"/{'x' * 120}/daemon.sock"}
    in_a_file = {"AGENTKEYS_SOCKET": "/dev/null/run/daemon.sock"}
    for env in (too_long, in_a_file, {"AGENTKEYS_SOCKET": "relative.sock"}):
        done = home.run("agentkeys", "exec", "--", "true", env=env)
        assert (done.status, done.stdout) == (125, "")
        done.complaint()


@pytest.mark.parametrize(
    "arguments", [[], ["--"], ["--no-such-option", "--", "true"], ["--profile"], ["--profile", ""]]
)
def test_a_mistake_in_the_call_is_125(sandbox_home: Home, arguments: list[str]) -> None:
    """So that no status of ours is taken for the program's."""
    done = sandbox_home.run("agentkeys", "exec", *arguments)
    assert (done.status, done.stdout) == (125, "")
    _, hint = done.complaint()
    assert hint == "see agentkeys exec --help"


# options and arguments


@pytest.mark.parametrize(
    "arguments",
    [
        ["echo", "--profile", "x"],
        ["--", "echo", "--profile", "x"],
        ["-p", "sandbox", "echo", "--profile", "x"],
    ],
)
def test_what_follows_the_program_is_the_programs(sandbox_home: Home, arguments: list[str]) -> None:
    """With or without `--`, and though it looks like an option of ours."""
    assert sandbox_home.succeed("agentkeys", "exec", *arguments) == "--profile x\n"


def test_arguments_pass_as_they_are(sandbox_home: Home) -> None:
    """Empty ones, spaces, further `--`, --help."""
    arguments = ["", " a  b ", "--", "--help", "*", "$HOME"]
    argv = ["agentkeys", "exec", "--", "printf", "%s\\n", *arguments]
    assert sandbox_home.succeed(*argv) == "".join(f"{argument}\n" for argument in arguments)


# scripts of the current folder


@pytest.fixture
def folder(sandbox_home: Home, tmp_path: Path) -> Path:
    """A folder that is neither the checkout nor on PATH."""
    return tmp_path


def run_in(home: Home, folder: Path, *command: str, path: Path | None = None) -> Finished:
    env = {"PATH": f"{path}:{home.environment['PATH']}"} if path else None
    return home.run("agentkeys", "exec", "--", *command, cwd=folder, env=env)


def test_a_script_runs_though_it_is_not_executable(sandbox_home: Home, folder: Path) -> None:
    """By PATH's python3, with its arguments, knowing where it may write."""
    write_file(
        folder / "scraper.py",
        "import os, sys\nprint(sys.argv, os.environ['AGENTKEYS_S3_PREFIX'][:7])\n",
    )
    done = run_in(sandbox_home, folder, "scraper.py", "--depth", "2")
    assert (done.status, done.stderr) == (0, "")
    assert done.stdout == "['./scraper.py', '--depth', '2'] bots/0x\n"


def test_a_script_runs_in_the_users_own_environment(sandbox_home: Home, folder: Path) -> None:
    """The first python3 on PATH, as an activated virtual environment puts it there."""
    own = folder / "venv"
    own.mkdir()
    write_file(own / "python3", '#!/bin/sh\necho "own python3 runs $*"\n', mode=0o755)
    write_file(folder / "scraper.py", "print('another python3')\n")
    done = run_in(sandbox_home, folder, "scraper.py", "now", path=own)
    assert (done.status, done.stdout) == (0, "own python3 runs ./scraper.py now\n")


def test_a_script_runs_by_its_own_first_line(sandbox_home: Home, folder: Path) -> None:
    """With the one argument that such a line may have, executable or not."""
    for mode in (0o644, 0o755):
        write_file(folder / "scraper.py", '#!/bin/sh -eu\necho "$0 $1 $-"\n', mode=mode)
        done = run_in(sandbox_home, folder, "scraper.py", "first")
        assert (done.status, done.stderr) == (0, "")
        name, argument, flags = done.stdout.split()
        assert (name, argument) == ("./scraper.py", "first")
        assert {"e", "u"} <= set(flags)


def test_a_program_on_the_path_comes_before_a_script_here(sandbox_home: Home, folder: Path) -> None:
    """Nobody's download folder takes over a command."""
    own = folder / "bin"
    own.mkdir()
    write_file(own / "scraper.py", "#!/bin/sh\necho from PATH\n", mode=0o755)
    write_file(folder / "scraper.py", "#!/bin/sh\necho from here\n", mode=0o755)
    assert run_in(sandbox_home, folder, "scraper.py", path=own).stdout == "from PATH\n"


def test_the_exit_status_of_a_script_is_kept(sandbox_home: Home, folder: Path) -> None:
    """Of one that is run by python3 as of any other."""
    write_file(folder / "scraper.py", "raise SystemExit(3)\n")
    assert run_in(sandbox_home, folder, "scraper.py").status == 3


def test_a_script_without_any_python3_is_told(sandbox_home: Home, folder: Path) -> None:
    """It is there and cannot be run: 126, and what to look at."""
    write_file(folder / "scraper.py", "print('never')\n")
    empty = folder / "empty"
    empty.mkdir()
    done = sandbox_home.run(
        "agentkeys", "exec", "--", "scraper.py", cwd=folder, env={"PATH": str(empty)}
    )
    assert (done.status, done.stdout) == (126, "")
    _, hint = done.complaint()
    assert hint == "check that it is executable and that its #! line names a program"
