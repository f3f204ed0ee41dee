"""`status --watch` where it writes: what is worth a line, and what is not."""

from __future__ import annotations

import json
from typing import Any

import pytest

from agentkeys.errors import AgentkeysError, DaemonTimeout
from agentkeys_shell.watching import watch

TROUBLE = DaemonTimeout("the daemon did not answer in time", hint="try again")


def document(state: str, *, left: int = 3000, resident: int = 1, skew: int = 0) -> dict[str, Any]:
    """The fields of a status that change, and the path to them."""
    return {
        "daemon": {"pid": 7, "resident_bytes": resident, "open_descriptors": resident},
        "identities": [{"clock_skew_seconds": skew}],
        "profiles": [{"state": state, "expires_in_seconds": left}],
    }


def play(*looks: dict[str, Any] | AgentkeysError) -> None:
    """These looks, and then Ctrl-C."""
    script = iter(looks)

    def look() -> bytes:
        found = next(script, None)
        if found is None:
            raise KeyboardInterrupt
        if isinstance(found, AgentkeysError):
            raise found
        return json.dumps(found).encode() + b"\n"

    assert watch(look, as_json=True, seconds=0) == 0


def shown(capfd: pytest.CaptureFixture[str], *looks: dict[str, Any]) -> list[Any]:
    """What is written for these looks."""
    play(*looks)
    return [json.loads(line) for line in capfd.readouterr().out.splitlines()]


def test_every_change_is_a_line(capfd: pytest.CaptureFixture[str]) -> None:
    """Back to how it was is a change too."""
    looks = [document("none"), document("fresh"), document("none")]
    assert shown(capfd, *looks) == looks


def test_what_always_moves_is_no_change(capfd: pytest.CaptureFixture[str]) -> None:
    """Time, memory, descriptors, and clocks that drift."""
    first, last = document("fresh"), document("dying", left=100)
    between = [document("fresh", left=n, resident=n, skew=n % 2) for n in range(2999, 2990, -1)]
    assert shown(capfd, first, *between, last) == [first, last]


def test_a_failure_is_told_once_until_it_has_passed(capfd: pytest.CaptureFixture[str]) -> None:
    """Each message on a line of its own."""
    good = document("fresh")
    other = AgentkeysError("something else", hint="mend it")
    play(good, TROUBLE, TROUBLE, other, good, TROUBLE)
    assert capfd.readouterr().err.splitlines() == [
        "agentkeys: note: the daemon did not answer in time",
        "agentkeys: note: something else",
        "agentkeys: note: the daemon did not answer in time",
    ]


def test_what_fails_at_first_is_raised(capfd: pytest.CaptureFixture[str]) -> None:
    """Nothing has been shown by then."""
    with pytest.raises(DaemonTimeout):
        play(TROUBLE, document("fresh"))
    assert capfd.readouterr().out == ""
