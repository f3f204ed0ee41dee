"""What a step of the doctor says, and what is made of all of them."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from agentkeys.doctor import STEPS, Finding, Outcome, parse_finding, worst
from agentkeys.doctor.finding import failed, from_error, ok, skipped, warning
from agentkeys.errors import LoginRequired, ProtocolError

FINDINGS = [
    ok("clock", "agreed", server_seconds=0),
    warning("lifetime", "session_short", "sessions last 15 min", "raise it", got_seconds=900),
    failed("role", "trust_policy", "it does not trust the token", "check it"),
    skipped("isolation", "it needs credentials"),
]


@pytest.mark.parametrize("finding", FINDINGS)
def test_a_finding_travels_as_json(finding: Finding) -> None:
    """And comes back as it was."""
    assert parse_finding(finding.to_document()) == finding


def test_its_document_has_every_field() -> None:
    """Those that say nothing too."""
    assert FINDINGS[3].to_document() == {
        "step": "isolation",
        "outcome": "skipped",
        "code": None,
        "message": "it needs credentials",
        "hint": None,
        "facts": {},
    }


@pytest.mark.parametrize(
    "change",
    [
        {"outcome": "fine"},
        {"outcome": None},
        {"step": 1},
        {"message": None},
        {"hint": 3},
        {"code": []},
        {"facts": "none"},
    ],
)
def test_what_is_no_finding_is_refused(change: dict[str, Any]) -> None:
    """A daemon of another version may answer anything."""
    with pytest.raises(ProtocolError):
        parse_finding({**FINDINGS[0].to_document(), **change})


@pytest.mark.parametrize("document", [None, [], "ok", 1])
def test_what_is_no_object_is_none_either(document: object) -> None:
    with pytest.raises(ProtocolError):
        parse_finding(document)


def test_the_worst_counts() -> None:
    """What was skipped makes nothing worse."""
    assert worst(FINDINGS) is Outcome.FAILED
    assert worst(FINDINGS[:2]) is Outcome.WARNING
    assert worst([FINDINGS[0], FINDINGS[3]]) is Outcome.OK
    assert worst([]) is Outcome.OK


def test_an_error_says_the_same_as_a_finding() -> None:
    """And whether somebody has to log in."""
    found = from_error("session", LoginRequired("nobody is logged in", hint="log in"))
    assert (found.outcome, found.code) == (Outcome.FAILED, "login_required")
    assert found.needs_user
    assert not FINDINGS[2].needs_user


def test_every_step_has_one_name() -> None:
    assert len(set(STEPS)) == len(STEPS) == 18


def test_a_finding_costs_those_little_who_show_it() -> None:
    """Whoever shows findings loads nothing that makes them."""
    program = (
        "import sys, agentkeys.doctor\n"
        "print([name for name in sys.modules if name.startswith('agentkeys.')])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    loaded = set(eval(done.stdout))  # noqa: S307 - a list of names, printed by us
    assert loaded == {"agentkeys.doctor", "agentkeys.doctor.finding", "agentkeys.errors"}
