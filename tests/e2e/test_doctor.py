"""`agentkeys doctor`: the installed program, its two ways to tell, and how it ends."""

from __future__ import annotations

import json
import re
import time

import pytest

from agentkeys.doctor import STEPS
from tests.support.diagnosing import diagnose
from tests.support.programs import Home
from tests.support.runs import running

PATIENCE = 3.0
"""Seconds that the whole walk may take in the sandbox."""
LOGGED_OUT = """
[identities.me]
source = "broker"
url = "{broker}"

[profiles.data]
identity = "me"
role_arn = "arn:aws:iam::000000000001:role/agentkeys-data"
store = "sandbox"

[stores.sandbox]
kind = "seaweedfs"
sts_endpoint = "{store}"
s3_endpoint = "{store}"
"""


def test_in_the_sandbox_all_is_well(sandbox_home: Home) -> None:
    """A line for each step and one that sums up; nothing on standard error, and status 0."""
    shown = sandbox_home.succeed("agentkeys", "doctor").splitlines()
    assert [line.split()[1] for line in shown if line[:1] in tuple("✓!✗–")] == list(STEPS)
    assert not [line for line in shown if line.startswith(("✗", "–"))], shown
    assert re.fullmatch(r"(all is well|it works) \(.*\)", shown[-1])


def test_both_ways_tell_the_same(sandbox_home: Home) -> None:
    """What programs get is what people read."""
    found = diagnose(sandbox_home, "sandbox-bob")
    assert (found.status, found.profile) == (0, "sandbox-bob")
    shown = sandbox_home.succeed("agentkeys", "doctor", "--profile", "sandbox-bob")
    for name in ("config", "token", "role", "isolation"):
        assert found.steps[name]["message"] in shown


def test_it_takes_less_than_three_seconds(sandbox_home: Home) -> None:
    """From a person's point of view, the interpreter's start included; the best of three."""
    taken = []
    for _ in range(3):
        begun = time.monotonic()
        sandbox_home.succeed("agentkeys", "doctor")
        taken.append(time.monotonic() - begun)
    assert min(taken) < PATIENCE


def test_its_mint_is_in_the_ledger_and_its_credentials_are_nowhere(
    user_home: Home, sandbox_home: Home
) -> None:
    """Somebody may want to know who minted; nobody gets what was minted."""
    diagnose(user_home)
    ledger = (user_home.state / "audit" / "ledger.jsonl").read_text(encoding="utf-8")
    events = [json.loads(line)["event"] for line in ledger.splitlines()]
    assert "mint" in events
    assert "serve" not in events
    [mine, *_] = json.loads(user_home.succeed("agentkeys", "status", "--json"))["profiles"]
    assert mine["state"] == "none"


def test_who_has_to_log_in_is_told_so_by_the_status(
    home: Home, sandbox_home: Home, sandbox: object
) -> None:
    """3: no other step has failed, and no other one can be helped by anybody else."""
    stores = json.loads(sandbox_home.succeed("agentkeys", "stores", "--json"))["stores"]
    [store] = [entry["sts_endpoint"] for entry in stores if entry["name"] == "sandbox"]
    status = json.loads(sandbox_home.succeed("agentkeys", "status", "--json"))
    home.configure(LOGGED_OUT.format(broker=status["identities"][0]["url"], store=store))
    found = diagnose(home)
    assert found.status == 3
    assert [entry[0] for entry in found.complaints if entry[1] == "failed"] == ["session"]
    done = home.run("agentkeys", "doctor")
    assert (done.status, done.stderr) == (3, "")
    assert "→ run: agentkeys login me" in done.stdout
    assert done.stdout.splitlines()[-1].startswith("it is your turn: see session (1 failed")


def test_what_failed_is_status_1(home: Home) -> None:
    """Whatever else may be well; and where to begin is the last line."""
    home.configure("[profiles.data\n")
    done = home.run("agentkeys", "doctor")
    assert (done.status, done.stderr) == (1, "")
    assert done.stdout.startswith("✗ config ")
    assert done.stdout.splitlines()[-1].startswith("it does not work: begin with config (1 failed")


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["data", "-p", "data"], "the profile is given twice"),
        ([""], "it is empty"),
        (["-p", ""], "it is empty"),
        (["a", "b"], "got unexpected extra argument"),
        (["--yaml"], "no such option"),
    ],
)
def test_a_mistake_in_the_call_is_usage(home: Home, arguments: list[str], error: str) -> None:
    """As of any other command, and nothing is looked at."""
    done = home.run("agentkeys", "doctor", *arguments)
    assert (done.status, done.stdout) == (2, "")
    assert error in done.complaint()[0]
    assert not home.socket.parent.exists()


def test_a_terminal_gets_colours_and_whole_words(sandbox_home: Home) -> None:
    """In lines that fit it."""
    env = {"TERM": "xterm-256color", "COLUMNS": "70"}
    with sandbox_home.at_terminal("agentkeys", "doctor", env=env) as terminal:
        done = terminal.finish()
    assert done.status == 0
    assert "\x1b[32m✓" in done.stdout
    plain = re.sub(r"\x1b\[[0-9;]*m", "", done.stdout)
    assert max(len(line.rstrip()) for line in plain.splitlines()) <= 110


def test_a_reader_that_goes_ends_it_quietly(sandbox_home: Home) -> None:
    """As in `agentkeys doctor | head -1`."""
    program = sandbox_home.program("agentkeys")
    done = sandbox_home.run("sh", "-c", f"{program} doctor | head -1")
    assert (done.status, done.stderr) == (0, "")
    assert done.stdout.startswith("✓ config ")


def test_inside_a_run_it_tells_that_it_must_be_outside(sandbox_home: Home) -> None:
    """A program that runs with credentials is not to mint others."""
    with running(sandbox_home) as program:
        done = program.do("agentkeys", "doctor", "--json")
    assert done.status == 1
    steps = {step["step"]: step for step in json.loads(done.stdout)["steps"]}
    assert steps["daemon"]["code"] == "inside_run"
    assert steps["role"]["outcome"] == "skipped"


def test_it_is_offered_with_its_profiles(sandbox_home: Home) -> None:
    """By Tab, as an argument and as the option's value."""
    for line in ("agentkeys doctor sandbox-", "agentkeys doctor --profile sandbox-"):
        offered = sandbox_home.succeed("agentkeys", "hook", "complete", "--line", line)
        assert "sandbox-bob" in offered
    assert "doctor" in sandbox_home.succeed(
        "agentkeys", "hook", "complete", "--line", "agentkeys d"
    )
