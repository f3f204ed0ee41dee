"""`exec --break-glass` at a real terminal, on a real store."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator

import pytest

from tests.support.breaking import REASON, ledger_of
from tests.support.place import SHIM
from tests.support.programs import Finished, Home, new_home

# Prints what may be done with the own prefix and with another's.
_TRY = """\
import os
import boto3
from botocore.exceptions import ClientError
s3 = boto3.client("s3")
bucket, own = os.environ["AGENTKEYS_S3_BUCKET"], os.environ["AGENTKEYS_S3_PREFIX"]
def attempt(name, **arguments):
    try:
        getattr(s3, name)(Bucket=bucket, **arguments)
        return "done"
    except ClientError as problem:
        return problem.response["Error"]["Code"]
print(attempt("put_object", Key=own + "fixed", Body=b"x"), attempt("list_objects_v2", Prefix=own),
      attempt("list_objects_v2", Prefix="bots/0xdeadbeef/"), end=".\\n")
"""
TRY = ("--", sys.executable, "-c", _TRY)
EXEC = ("agentkeys", "exec", "--break-glass", "--reason", REASON)


@pytest.fixture(scope="module")
def glass_home(sandbox_home: Home) -> Iterator[Home]:
    """A home whose default profile is the sandbox's, for break-glass."""
    with new_home() as home:
        found = (sandbox_home.state / "sandbox" / "config.toml").read_text(encoding="utf-8")
        before, name, profile = found.partition("[profiles.sandbox]\n")
        glass = re.sub('(?m)^duration = ".*"$', "break_glass = true", profile, count=1)
        assert glass != profile
        home.configure(before + name + glass)
        yield home


def at_terminal(home: Home, *argv: str) -> Finished:
    with home.at_terminal(*argv) as terminal:
        return terminal.finish()


def refusal(home: Home, *argv: str) -> tuple[str, str]:
    """What is said without a terminal."""
    done = home.run(*argv)
    assert (done.status, done.stdout) == (125, ""), done
    return done.complaint()


def test_it_reaches_what_the_profile_reaches(glass_home: Home) -> None:
    """And no more, not even then."""
    done = at_terminal(glass_home, *EXEC, *TRY)
    announced = "break-glass: the default profile, at most 15 minutes, recorded"
    assert f"agentkeys: {announced}: {REASON}\n" in done.stdout
    assert done.stdout.endswith("done done AccessDenied.\n"), done
    assert done.status == 0
    *_, broken = ledger_of(glass_home, "break_glass")
    assert broken["reason"] == REASON
    (mint,) = (m for m in ledger_of(glass_home, "mint") if m["run_id"] == broken["run_id"])
    assert mint["session_duration_seconds"] == 900
    assert 840 <= mint["duration_got"] <= 960


def test_it_is_narrowed_as_any_run(glass_home: Home) -> None:
    """The store holds the program to it."""
    done = at_terminal(glass_home, *EXEC, "--read-only", *TRY)
    assert done.stdout.endswith("AccessDenied done AccessDenied.\n"), done


def test_neither_a_pipe_nor_a_lost_terminal_will_do(glass_home: Home) -> None:
    """What a script could do, any program could."""
    message, hint = refusal(glass_home, *EXEC, *TRY)
    assert message == "--break-glass takes a person at a terminal"
    assert "interactive shell" in hint
    words = " ".join(["agentkeys", *EXEC[1:-1], "why", "--", "echo", "ran"])
    piped = at_terminal(glass_home, "sh", "-c", f"echo | {words}")
    assert "a person at a terminal" in piped.stdout
    # The streams are a terminal, and its session is another's.
    left = at_terminal(glass_home, "setsid", "--wait", "sh", "-c", words)
    assert (
        "break-glass takes a person at a terminal, and the asking program has none" in left.stdout
    )
    for done in (piped, left):
        assert "ran\n" not in done.stdout
        assert done.status == 125


@pytest.mark.parametrize(
    ("words", "error"),
    [
        ("--reason why", "--reason is for --break-glass"),
        ("--break-glass", "--break-glass takes a reason"),
        ("--break-glass --reason why --refresh", "--break-glass and --refresh exclude each other"),
        ("--break-glass --reason why --explain", "--break-glass and --explain exclude each other"),
        ("--break-glass --reason why --legacy-mint A:B", "--break-glass and --legacy-mint exclude"),
    ],
)
def test_what_cannot_be_meant_is_said_first(glass_home: Home, words: str, error: str) -> None:
    """Before anything starts."""
    message, hint = refusal(glass_home, "agentkeys", "exec", *words.split(), "--", "true")
    assert message.startswith(error)
    assert hint


def test_an_empty_reason_is_a_mistake_of_the_shell_s(glass_home: Home) -> None:
    """As with every option: it comes from a variable that is not set."""
    argv = ("agentkeys", "exec", "--break-glass", "--reason", "", "--", "true")
    done = glass_home.run(*argv)
    assert done.status == glass_home.run("agentkeys", "exec", "--allow", "", "--", "true").status
    assert "it is empty" in done.stderr


def test_aws_clients_are_not_sent_there(glass_home: Home) -> None:
    """configure-aws refuses it, and where all are written leaves it out."""
    done = glass_home.run("agentkeys", "configure-aws", "sandbox")
    assert (done.status, done.stdout) == (1, "")
    message, hint = done.complaint()
    assert message == "the profile sandbox is for break-glass alone, no AWS client gets it"
    assert hint.startswith("run: agentkeys exec --profile sandbox --break-glass")
    assert not (glass_home.folder / "home" / ".aws").exists()
    every = glass_home.run("agentkeys", "configure-aws", "--all", "--json")
    assert every.status == 0
    assert "agentkeys: note: the profile sandbox is for break-glass alone" in every.stderr
    assert '"sandbox"' not in every.stdout
    assert '"sandbox-bob"' in every.stdout


def test_lists_tell_which_profiles_are_so(glass_home: Home) -> None:
    """The shim tells the way as well."""
    assert "break-glass" in glass_home.succeed("agentkeys", "status")
    shim = glass_home.run(SHIM)
    assert (shim.status, shim.stdout) == (1, "")
    assert "the profile sandbox is for break-glass alone" in shim.complaint()[0]
