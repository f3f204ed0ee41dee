"""The ledger: one line for everything that concerns credentials."""

from __future__ import annotations

import json
import os
import resource
import stat
import subprocess
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentkeys.audit import AuditRecord, FileLedger
from agentkeys.errors import AuditError
from tests.support.chains import assert_chained
from tests.support.moved_clock import SAMPLE_NOW, MovedClock
from tests.support.samples import broker_sample


def ledger(path: Path) -> FileLedger:
    return FileLedger(path=path, clock=MovedClock())


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def test_a_record_is_a_line_with_every_field(tmp_path: Path) -> None:
    """What is not known is null, so that every line has the same columns."""
    path = tmp_path / "audit" / "ledger.jsonl"
    ledger(path).append(AuditRecord(event="mint", profile="data", expires_at=SAMPLE_NOW))
    [line] = lines(path)
    assert line["time"] == line["expires_at"] == "2026-06-01T12:00:00Z"
    assert (line["event"], line["outcome"], line["profile"]) == ("mint", "ok", "data")
    assert line["identity"] is None
    names = [field.name for field in fields(AuditRecord)]
    assert list(line) == ["time", *names, "seq", "previous", "chain"]


def test_columns_are_called_as_the_broker_s() -> None:
    """So that its rows and ours can be joined."""
    shared = set(broker_sample("audit-row.ok")) - {"minted_at", "id"}
    assert shared <= {field.name for field in fields(AuditRecord)}


def test_events_have_ids_of_their_own(tmp_path: Path) -> None:
    """Two that look alike can be told apart."""
    path = tmp_path / "ledger.jsonl"
    for _ in range(20):
        ledger(path).append(AuditRecord(event="serve"))
    assert len({line["event_id"] for line in lines(path)}) == 20


def test_the_ledger_is_its_owner_s_alone(tmp_path: Path) -> None:
    """It and its folder, from the moment they are there."""
    path = tmp_path / "audit" / "ledger.jsonl"
    ledger(path).append(AuditRecord(event="login"))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_a_ledger_that_was_moved_away_begins_anew(tmp_path: Path) -> None:
    """As rotation does it, under a running daemon."""
    path = tmp_path / "ledger.jsonl"
    keeps_on = ledger(path)
    keeps_on.append(AuditRecord(event="login"))
    path.rename(tmp_path / "old.jsonl")
    keeps_on.append(AuditRecord(event="logout"))
    assert [line["event"] for line in lines(path)] == ["logout"]
    path.rename(tmp_path / "ledger-000000000002.jsonl")
    (tmp_path / "old.jsonl").rename(path.with_name("ledger-000000000001.jsonl"))
    assert len(assert_chained(path)) == 2


@given(text=st.text(st.characters(codec=None)))
def test_a_record_is_one_line_whatever_is_in_it(
    text: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Paths and programs' names come from outside, and are no UTF-8 at times."""
    path = tmp_path_factory.mktemp("ledger") / "ledger.jsonl"
    ledger(path).append(AuditRecord(event="serve", cwd=text, exe=text))
    content = path.read_bytes()
    assert content.count(b"\n") == 1
    assert json.loads(content)["event"] == "serve"


APPEND_MANY = """
import sys
from pathlib import Path
from agentkeys.audit import AuditRecord, FileLedger
from agentkeys.clock import SystemClock
ledger = FileLedger(path=Path(sys.argv[1]), clock=SystemClock())
for _ in range(200):
    ledger.append(AuditRecord(event="serve", cwd="x" * 500))
"""


def test_a_line_that_was_torn_takes_no_other_with_it(tmp_path: Path) -> None:
    """As by a power cut: it is taken away, and what there was of it is told."""
    path = tmp_path / "ledger.jsonl"
    ledger(path).append(AuditRecord(event="login"))
    with path.open("a") as file:
        file.write('{"time": "2026-06-01T12:0')
    started = ledger(path)
    for _ in range(2):
        started.mend()
    started.append(AuditRecord(event="logout"))
    login, recovered, logout = assert_chained(path)
    assert (login["event"], logout["event"]) == ("login", "logout")
    assert (recovered["event"], recovered["outcome"]) == ("recovered", "ok")
    said = 'a torn line of 25 bytes was removed: {"time": "2026-06-01T12:0'
    assert recovered["outcome_detail"] == said


def test_lines_of_two_processes_do_not_mix(tmp_path: Path) -> None:
    """Each is written at once, at the end, and takes up the chain where the others have left it."""
    path = tmp_path / "ledger.jsonl"
    argv = [sys.executable, "-c", APPEND_MANY, str(path)]
    writers = [subprocess.Popen(argv) for _ in range(3)]
    assert [writer.wait() for writer in writers] == [0, 0, 0]
    assert len(assert_chained(path)) == 600


def _unusable_folder(path: Path) -> None:
    path.parent.touch()


def _broken_link(path: Path) -> None:
    path.parent.symlink_to("gone")


def _link(path: Path) -> None:
    path.parent.mkdir()
    path.symlink_to(path.parent / "elsewhere")


def _folder(path: Path) -> None:
    path.mkdir(parents=True)


def _pipe(path: Path) -> None:
    path.parent.mkdir(mode=0o700)
    os.mkfifo(path)


def _pipe_with_a_reader(path: Path) -> None:
    _pipe(path)
    # Kept open for as long as the tests run.
    os.open(path, os.O_RDONLY | os.O_NONBLOCK)


@pytest.mark.parametrize(
    "prepare", [_unusable_folder, _broken_link, _link, _folder, _pipe, _pipe_with_a_reader]
)
def test_a_ledger_that_cannot_be_written_is_an_audit_error(prepare: Any, tmp_path: Path) -> None:
    """Always the same one, since callers decide by it whether a job may go on."""
    path = tmp_path / "audit" / "ledger.jsonl"
    prepare(path)
    with pytest.raises(AuditError, match="cannot be written") as refusal:
        ledger(path).append(AuditRecord(event="mint"))
    assert refusal.value.hint


def test_a_line_that_was_cut_short_is_an_audit_error(tmp_path: Path) -> None:
    """A disk that fills up in the middle of it takes a part; no half of a line stays."""
    path = tmp_path / "ledger.jsonl"
    ledger(path).append(AuditRecord(event="login"))
    before = path.read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 100, hard))
    try:
        with pytest.raises(AuditError, match="cannot be written: No space left"):
            ledger(path).append(AuditRecord(event="mint"))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert path.read_bytes() == before
    ledger(path).append(AuditRecord(event="logout"))
    assert [line["event"] for line in lines(path)] == ["login", "logout"]
