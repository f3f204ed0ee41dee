"""How the doctor's steps of this machine and those of the daemon become one walk."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from agentkeys import __version__
from agentkeys.clock import format_utc
from agentkeys.doctor import STEPS, Finding, Outcome
from agentkeys.doctor.finding import ok
from agentkeys_shell.doctor import Asked, walk
from tests.fakes.scripted_daemon import ScriptedDaemon, http_answer
from tests.support.moved_clock import SAMPLE_NOW, MovedClock

BEHIND = STEPS[4:]
HEALTH = {
    "version": __version__,
    "protocol": 1,
    "pid": 4711,
    "started_at": format_utc(SAMPLE_NOW - timedelta(hours=3, minutes=12)),
}
SOUND = (
    lambda _: ok("config", "a file", profile="data"),
    lambda _: ok("folders", "yours alone"),
    lambda _: ok("socket", "there"),
)


@pytest.fixture
def path() -> Iterator[Path]:
    """Of a socket."""
    folder = Path(tempfile.mkdtemp(prefix="agentkeys-"))
    try:
        yield folder / "run" / "d.sock"
    finally:
        shutil.rmtree(folder)


def daemon(
    path: Path, findings: object, health: Mapping[str, Any] = HEALTH, part: str = "diagnosis"
) -> ScriptedDaemon:
    """One that answers so."""
    answers = {
        "/v1/health": json.dumps(health).encode(),
        f"/v1/profiles/data/{part}": json.dumps({"version": 1, "findings": findings}).encode(),
    }
    return ScriptedDaemon(path, answers)


def walked(path: Path, local: Any = SOUND) -> dict[str, Finding]:
    environ = {
        "AGENTKEYS_SOCKET": str(path),
        "HOME": str(path.parent.parent),
        "AGENTKEYS_RUN": "no daemon is started in here",
    }
    found = list(walk(Asked(environ, "data"), clock=MovedClock(), local=local))
    assert [finding.step for finding in found] == list(STEPS)
    return {finding.step: finding for finding in found}


def documents(steps: tuple[str, ...] = BEHIND) -> list[dict[str, Any]]:
    return [ok(step, "well").to_document() for step in steps]


def test_the_daemon_s_findings_follow_those_of_this_machine(path: Path) -> None:
    """As it words them."""
    with daemon(path, documents()):
        found = walked(path)
    assert {finding.outcome for finding in found.values()} == {Outcome.OK}
    assert found["daemon"].message == f"version {__version__}, pid 4711, up 3h 12m"
    assert found["isolation"].message == "well"


def test_a_daemon_of_another_version_is_a_warning(path: Path) -> None:
    """It speaks the same protocol, and looks at the rest all the same."""
    with daemon(path, documents(), {**HEALTH, "version": "0.0.9"}):
        found = walked(path)
    assert found["daemon"].code == "daemon_version"
    assert found["daemon"].outcome is Outcome.WARNING
    assert found["daemon"].hint == "run: agentkeys daemon restart"
    assert found["role"].outcome is Outcome.OK


@pytest.mark.parametrize(
    "findings",
    [
        documents(BEHIND[:-1]),
        documents((*BEHIND, "more")),
        documents(BEHIND[::-1]),
        [],
        ["no finding"] * len(BEHIND),
    ],
    ids=["a step less", "a step more", "another order", "none", "something else"],
)
def test_findings_that_nobody_can_follow_are_told(path: Path, findings: object) -> None:
    """As what a daemon of another version gives."""
    with daemon(path, findings):
        found = walked(path)
    assert found["daemon"].code == "protocol_error"
    assert found["daemon"].hint == "run: agentkeys daemon restart"
    assert all(found[step].outcome is Outcome.SKIPPED for step in BEHIND)


def test_an_answer_that_is_no_document_is_told_by_its_type(path: Path) -> None:
    """The daemon is asked twice, and the second answer is nonsense."""
    with ScriptedDaemon(
        path, {"/v1/health": json.dumps(HEALTH).encode(), "/v1/profiles/data/diagnosis": b"<html>"}
    ):
        found = walked(path)
    assert found["daemon"].code == "unforeseen"
    assert "JSONDecodeError" in found["daemon"].message


def test_a_health_that_is_none_is_told(path: Path) -> None:
    """Whoever answers there is no daemon of ours."""
    with ScriptedDaemon(path, http_answer(b'{"hello": 1}')):
        found = walked(path)
    assert found["daemon"].outcome is not Outcome.OK
    assert all(found[step].outcome is Outcome.SKIPPED for step in BEHIND)


def test_without_a_daemon_what_this_machine_tells_is_still_told(path: Path) -> None:
    """Each step that rests on one says so."""
    found = walked(path)
    assert found["daemon"].code == "daemon_not_running"
    assert found["config"].outcome is Outcome.OK
    assert {found[step].message for step in BEHIND} == {"it needs a daemon that answers"}


def test_a_step_that_breaks_takes_no_other_along(path: Path) -> None:
    """Only the type of what nobody has foreseen is told: its text may hold anything."""

    def broken(_: Asked) -> Finding:
        raise RuntimeError("hunter2")

    with daemon(path, documents()):
        found = walked(path, (SOUND[0], broken, SOUND[2]))
    assert found["folders"].code == "unforeseen"
    assert "RuntimeError" in found["folders"].message
    assert "hunter2" not in str(found)
    assert found["isolation"].outcome is Outcome.OK
