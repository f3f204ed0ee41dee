"""`make audit` tells apart that there is no advisory, that there is one, that nobody can say."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tools.audit import UNREACHABLE, Auditor, audit

FAKE = Path(__file__).parents[1] / "fakes" / "pip_audit.py"
KNOWN_BAD = {"pyyaml==5.3": ["PYSEC-2021-142"]}
DIGEST = "--hash=sha256:" + "0" * 64

Run = Callable[[dict[str, Any]], int]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """An audit of two locks, where services of advisories know what it is given."""
    first, second = tmp_path / "first.txt", tmp_path / "second.txt"
    first.write_text(f"h11==0.16.0 {DIGEST}\natheris==3.0.0 ; python_version < '3.12' {DIGEST}\n")
    second.write_text(f"h11==0.16.0 {DIGEST}\natheris==3.1.0 ; sys_platform == 'mars' {DIGEST}\n")
    advisories = tmp_path / "advisories.json"
    monkeypatch.setenv("FAKE_ADVISORIES", str(advisories))

    def run(services: dict[str, Any]) -> int:
        advisories.write_text(json.dumps(services))
        return audit(Auditor(argv=(sys.executable, "-I", FAKE)), [first, second])

    return run


def test_no_advisory(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    """Every version of every package is asked for once."""
    assert run({"pypi": KNOWN_BAD}) == 0
    assert capsys.readouterr().out == "audit: pypi knows of no advisory against 3 packages\n"


@pytest.mark.parametrize("bad", ["h11==0.16.0", "atheris==3.0.0", "atheris==3.1.0"])
def test_an_advisory_fails(run: Run, capsys: pytest.CaptureFixture[str], bad: str) -> None:
    """Also one against what only another Python or system installs."""
    assert run({"pypi": {**KNOWN_BAD, bad: ["PYSEC-1"]}}) == 1
    package = bad.replace("==", " ")
    assert capsys.readouterr().err == f"audit: {package}: PYSEC-1, fixed in 9.9\n"


def test_the_second_service_is_asked_where_the_first_cannot_be(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    """OSV has the same advisories."""
    assert run({"osv": KNOWN_BAD}) == 0
    assert "osv knows of no advisory" in capsys.readouterr().out


@pytest.mark.parametrize(
    "services",
    [
        pytest.param({}, id="nothing answers"),
        pytest.param({"pypi": {}}, id="a mirror that has no advisories"),
        pytest.param({"pypi": {"pyyaml==5.3": "unknown package"}}, id="a mirror of files alone"),
    ],
)
def test_where_nobody_can_say_there_is_a_status_of_its_own(
    run: Run, capsys: pytest.CaptureFixture[str], services: dict[str, Any]
) -> None:
    """Silence is believed only from who knows of an advisory that everybody knows of."""
    assert run(services) == UNREACHABLE == 75
    printed = capsys.readouterr()
    assert printed.out.startswith("audit: not possible, ")
    assert printed.out.count("\n") == 1
    assert printed.err == ""


def test_an_audit_that_breaks_off_has_failed(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    """A service that knows advisories but not one of the packages leaves nothing to be accepted."""
    assert run({"pypi": {**KNOWN_BAD, "h11==0.16.0": "unknown package"}}) == 1
    assert "h11: Dependency not found" in capsys.readouterr().err
