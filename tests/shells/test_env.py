"""`agentkeys env`: what `exec` would set, for a shell, a file or a client, in the real ones."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from agentkeys.sandbox_record import SandboxRecord
from agentkeys_shell.formats import FORMATS
from tests.support.env_readers import READ_BY, needed_program, read_by, read_mc_host
from tests.support.programs import Finished, Home

FOREIGN = "bots/0xdeadbeef/"

OF_A_RUN = ("AGENTKEYS_RUN", "AWS_SDK_UA_APP_ID", "NO_PROXY", "no_proxy")
"""What `exec` sets for a run and `env` does not, since none begins."""

HOSTILE = {
    "AWS_PROFILE": "work",
    "AWS_SECURITY_TOKEN": "stale",
    "AWS_ENDPOINT_URL_STS": "https://elsewhere.example.com",
    "AWS_PAGER": "",
    "AGENTKEYS_USER_WALLET": "0xdeadbeef",
}

SLOW_MODULES = {
    "click", "dataclasses", "datetime", "filelock", "httpx", "importlib", "json", "keyring",
    "pathlib", "platformdirs", "re", "rich", "subprocess", "typing",
}  # fmt: skip


def env_of(home: Home, *options: str, env: dict[str, str] | None = None) -> dict[str, str]:
    """What is printed, as an object."""
    found: dict[str, str] = json.loads(
        home.succeed("agentkeys", "env", "--format", "json", *options, env=env)
    )
    return found


def exec_of(home: Home, env: dict[str, str] | None = None) -> dict[str, str]:
    """The environment of a program under `exec`, but for what is the run's."""
    printed = home.succeed("agentkeys", "exec", "--", "env", "-0", env=env)
    found = dict(entry.split("=", 1) for entry in printed.split("\0") if entry)
    return {name: value for name, value in found.items() if name not in OF_A_RUN}


def in_shell(home: Home, script: str, env: dict[str, str] | None = None) -> Finished:
    """A script of dash, with our program on PATH."""
    return home.run("dash", "-c", script, env=env)


# shells


@pytest.mark.parametrize("reader", READ_BY)
def test_a_shell_s_programs_see_what_exec_gives(
    sandbox_home: Home, reader: str, tmp_path: Path
) -> None:
    """The same AWS surface, whatever was there before."""
    format_name, command = READ_BY[reader]
    text = sandbox_home.succeed("agentkeys", "env", "--format", format_name, env=HOSTILE)
    found = read_by(command, text.encode(), tmp_path, sandbox_home.environment | HOSTILE)
    under_exec = exec_of(sandbox_home, env=HOSTILE)
    assert set(under_exec) - set(found) == set()
    for name in {*found, *under_exec}:
        if name.startswith(("AWS_", "AGENTKEYS_", "BOTO_")):
            assert found[name] == under_exec.get(name, sandbox_home.environment.get(name)), name


def test_an_aws_client_works_in_the_shell(sandbox_home: Home) -> None:
    """As people would use it, with sh for the default format, below the own prefix only."""
    script = """\
eval "$(agentkeys env)" || exit
place=s3://$AGENTKEYS_S3_BUCKET/$AGENTKEYS_S3_PREFIX
echo from a shell | aws s3 cp - "${place}by-env" && aws s3 cp "${place}by-env" -
aws s3 ls "s3://$AGENTKEYS_S3_BUCKET/bots/0xdeadbeef/"
"""
    done = in_shell(sandbox_home, script, env={"AWS_PROFILE": "no-such-profile"})
    assert done.stdout == "from a shell\n"
    assert "(AccessDenied)" in done.stderr
    assert done.status != 0


def test_a_profile_is_chosen_by_option_or_variable(sandbox_home: Home) -> None:
    """As for `exec`; the option wins."""
    by_variable = {"AGENTKEYS_PROFILE": "sandbox-bob"}
    for options, env, profile in (
        (["-p", "sandbox-bob"], {}, "sandbox-bob"),
        (["--profile=sandbox-bob"], {}, "sandbox-bob"),
        ([], by_variable, "sandbox-bob"),
        (["--profile", "sandbox"], by_variable, "sandbox"),
        ([], {}, "sandbox"),
    ):
        assert env_of(sandbox_home, *options, env=env)["AGENTKEYS_PROFILE"] == profile


def test_it_shares_the_lease_of_exec_and_begins_no_run(sandbox_home: Home) -> None:
    """The same key, and no id."""
    found = env_of(sandbox_home)
    assert found["AWS_ACCESS_KEY_ID"] == exec_of(sandbox_home)["AWS_ACCESS_KEY_ID"]
    assert found == env_of(sandbox_home)
    assert "AGENTKEYS_RUN" not in found


def test_it_starts_the_daemon_where_there_is_none(user_home: Home) -> None:
    """And says nothing about it."""
    assert user_home.daemon_pid() is None
    assert env_of(user_home)["AWS_SESSION_TOKEN"]
    assert user_home.daemon_pid()


# clients


@pytest.fixture
def rclone_home(sandbox_home: Home) -> Home:
    """With an rclone that has no configuration."""
    needed_program("rclone")
    return sandbox_home


def rclone(home: Home, *words: str) -> Finished:
    """rclone in a shell that has read what is printed for it."""
    command = " ".join(["rclone --config /dev/null --retries 1", *words])
    script = (
        f'eval "$(agentkeys env --format rclone)"; place=sandbox:$AGENTKEYS_S3_BUCKET; {command}'
    )
    return in_shell(home, script)


def test_rclone_works_below_the_own_prefix(rclone_home: Home, tmp_path: Path) -> None:
    """The real one copies, lists and reads, without a flag or a file of its own."""
    (tmp_path / "sent").write_text("by rclone", encoding="utf-8")
    own = '"$place/$AGENTKEYS_S3_PREFIX"'
    done = rclone(rclone_home, "copy", shlex.quote(str(tmp_path / "sent")), f"{own}rclone/")
    assert (done.status, done.stdout, done.stderr) == (0, "", "")
    listed = rclone(rclone_home, "ls", f"{own}rclone/")
    assert (listed.status, listed.stdout.split(), listed.stderr) == (0, ["9", "sent"], "")
    # Without the slash at its end rclone asks for an object of that name first.
    listed = rclone(rclone_home, "lsf", '"$place/${AGENTKEYS_S3_PREFIX%/}"')
    assert listed.status == 0
    assert "rclone/" in listed.stdout.splitlines()
    read = rclone(rclone_home, "cat", f"{own}rclone/sent")
    assert (read.status, read.stdout) == (0, "by rclone")


@pytest.mark.parametrize("place", [f"$place/{FOREIGN}", "$place/bots/", "$place"])
def test_rclone_is_denied_elsewhere(rclone_home: Home, place: str, tmp_path: Path) -> None:
    """By the store, at another user's prefix and at the top, reading and writing."""
    listed = rclone(rclone_home, "ls", f'"{place}"')
    assert listed.status != 0
    assert "AccessDenied" in listed.stderr
    (tmp_path / "sent").touch()
    done = rclone(rclone_home, "copy", shlex.quote(str(tmp_path / "sent")), f'"{place}"')
    assert done.status != 0
    assert "AccessDenied" in done.stderr or "403" in done.stderr


def test_mc_is_given_the_store_and_the_keys(sandbox_home: Home, sandbox: SandboxRecord) -> None:
    """In one variable that bears the profile's name."""
    script = 'eval "$(agentkeys env --format mc)"; echo "$MC_HOST_sandbox"'
    found = env_of(sandbox_home)
    assert read_mc_host(in_shell(sandbox_home, script).stdout.removesuffix("\n")) == (
        sandbox.store.url,
        found["AWS_ACCESS_KEY_ID"],
        found["AWS_SECRET_ACCESS_KEY"],
        found["AWS_SESSION_TOKEN"],
    )


def test_a_dotenv_file_is_the_same_for_a_program(sandbox_home: Home, tmp_path: Path) -> None:
    """python-dotenv's own command runs one with it."""
    file = tmp_path / ".env"
    file.write_text(sandbox_home.succeed("agentkeys", "env", "--format", "dotenv"))
    printed = sandbox_home.succeed(
        sys.executable, "-m", "dotenv", "-f", file, "run", "--", "env", "-0"
    )
    variables = dict(entry.split("=", 1) for entry in printed.split("\0") if entry)
    assert variables.items() >= env_of(sandbox_home).items()
    assert '"' not in file.read_text()


# mistakes and failures


@pytest.mark.parametrize(
    ("wanted", "hint"),
    [
        ("fihs", "did you mean fish?"),
        ("YAML", "use sh, fish, powershell, dotenv, json, rclone or mc"),
        ("../sh", "use sh, fish, powershell, dotenv, json, rclone or mc"),
    ],
)
def test_an_unknown_format_is_told_the_known_ones(home: Home, wanted: str, hint: str) -> None:
    """Status 2, before a daemon is asked or started."""
    done = home.run("agentkeys", "env", "--format", wanted)
    assert (done.status, done.stdout) == (2, "")
    assert done.complaint() == (f"there is no format {wanted!r}", hint)
    assert not home.socket.parent.exists()


@pytest.mark.parametrize("arguments", [["--format"], ["--format", ""], ["too"], ["--", "cmd"]])
def test_a_mistake_in_the_call_is_status_2(sandbox_home: Home, arguments: list[str]) -> None:
    """With the command whose help explains it."""
    done = sandbox_home.run("agentkeys", "env", *arguments)
    assert (done.status, done.stdout) == (2, "")
    assert done.complaint()[1] == "see agentkeys env --help"


@pytest.mark.parametrize("format_name", FORMATS)
def test_an_unknown_profile_prints_nothing_to_eval(sandbox_home: Home, format_name: str) -> None:
    """Two lines on standard error, status 1."""
    done = sandbox_home.run("agentkeys", "env", "-p", "sandbx", "--format", format_name)
    assert (done.status, done.stdout) == (1, "")
    assert done.complaint() == ("there is no profile 'sandbx'", "did you mean sandbox?")


def test_nobody_logged_in_is_for_the_user_to_mend(home: Home) -> None:
    """Status 3, and the command to run."""
    home.configure(
        '[identities.me]\nsource = "broker"\nurl = "http://127.0.0.1:9"\n'
        '[profiles.data]\nidentity = "me"\nrole_arn = "arn:aws:iam::111122223333:role/data"\n'
    )
    done = home.run("agentkeys", "env", "--profile", "data")
    assert (done.status, done.stdout) == (3, "")
    assert done.complaint()[1] == "run: agentkeys login me"


def test_no_daemon_and_none_to_be_had_is_status_4(home: Home) -> None:
    """A daemon that cannot start says why."""
    not_a_folder = home.folder / "file"
    not_a_folder.touch()
    done = home.run("agentkeys", "env", env={"AGENTKEYS_STATE_DIR": str(not_a_folder)})
    assert (done.status, done.stdout) == (4, "")
    assert done.complaint()[0].startswith("the daemon could not start: ")


def test_a_reader_that_has_had_enough_is_no_traceback(sandbox_home: Home) -> None:
    """`agentkeys env | head -1`, also where nothing is read at all."""
    done = in_shell(sandbox_home, "agentkeys env | head -1")
    assert (done.status, done.stderr) == (0, "")
    assert done.stdout.startswith("export ")
    done = in_shell(sandbox_home, "{ agentkeys env; echo $? >&2; } | true")
    assert done.stderr in ("0\n", "1\n")


@pytest.mark.parametrize(
    ("redirection", "why"),
    [(">&-", "bad file descriptor"), (">/dev/full", "no space left on device")],
)
def test_output_that_cannot_be_written_is_told(
    sandbox_home: Home, redirection: str, why: str
) -> None:
    """One error and one hint, status 1."""
    done = in_shell(sandbox_home, f"agentkeys env {redirection}")
    assert (done.status, done.stdout) == (1, "")
    assert done.complaint() == (
        f"the output cannot be written: {why}",
        "make room where it goes, or send it elsewhere",
    )


# what it costs


@pytest.mark.parametrize("format_name", FORMATS)
def test_a_warm_answer_imports_nothing_slow(sandbox_home: Home, format_name: str) -> None:
    """Nor what another format needs."""
    sandbox_home.succeed("agentkeys", "env")
    program = sandbox_home.program("agentkeys")
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-X", "importtime", program, "env", "--format", format_name],
        env=sandbox_home.environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert f"agentkeys_shell.formats.{format_name}" in imported
    slow = SLOW_MODULES - ({"json", "re"} if format_name == "json" else set())
    assert not {name for name in imported if name.partition(".")[0] in slow}
    assert ("agentkeys_shell.formats.fish" in imported) == (format_name == "fish")
