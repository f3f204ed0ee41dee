"""docs/ledger.md and its schema say what lines there are."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from agentkeys.audit import AuditRecord, FileLedger
from agentkeys.audit.problems import KINDS
from tests.support.ledgers import sample_document, seal_all
from tests.support.moved_clock import SAMPLE_NOW, MovedClock
from tests.support.samples import broker_sample

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "ledger.md").read_text(encoding="utf-8")
SCHEMA = json.loads((DOCS / "ledger.schema.json").read_text(encoding="utf-8"))
COLUMNS = ["time", *(field.name for field in fields(AuditRecord)), "seq", "previous", "chain"]

_CODE = re.compile(r"`([^`]+)`")


def complaints(line: Any) -> list[str]:
    validator = Draft202012Validator(SCHEMA)
    return sorted(str(problem.message) for problem in validator.iter_errors(line))


def rows(heading: str) -> Iterator[list[str]]:
    """The cells of the table whose first cell is `heading`."""
    [table] = re.findall(rf"^\| {heading} \|.*\n\|[-| ]+\n((?:\|.*\n)+)", PAGE, re.MULTILINE)
    for row in table.splitlines():
        yield [cell.strip() for cell in row.strip("|").split(" | ")]


def names(heading: str) -> list[str]:
    return [name for cells in rows(heading) for name in _CODE.findall(cells[0])]


def written(folder: Path, record: AuditRecord) -> dict[str, Any]:
    ledger = FileLedger(path=folder / "audit" / "ledger.jsonl", clock=MovedClock())
    ledger.append(record)
    ledger.close()
    line: dict[str, Any] = json.loads((folder / "audit" / "ledger.jsonl").read_bytes())
    return line


def test_the_schema_is_one() -> None:
    """Of JSON Schema's own kind."""
    Draft202012Validator.check_schema(SCHEMA)


def test_schema_and_page_have_the_columns_that_are_written(tmp_path: Path) -> None:
    """All of them, in their order."""
    assert list(written(tmp_path, AuditRecord(event="login"))) == COLUMNS
    assert list(SCHEMA["properties"]) == SCHEMA["required"] == names("field") == COLUMNS


def test_page_and_schema_have_the_same_events() -> None:
    """And the record's own documentation, too."""
    assert sorted(names("event")) == sorted(SCHEMA["properties"]["event"]["enum"])


def test_every_kind_of_problem_is_explained() -> None:
    """Those that audit verify tells."""
    assert sorted(names("kind")) == sorted(KINDS)


def test_every_column_of_the_broker_has_its_place() -> None:
    """By the name that it has in its rows."""
    assert set(names("broker")) >= set(broker_sample("audit-row.ok"))


@pytest.mark.parametrize(
    "record",
    [
        AuditRecord(event="login", identity="me", subject="0xab", uid=0, pid=1),
        AuditRecord(event="recovered", outcome="error", outcome_detail="records are missing"),
        AuditRecord(event="refuse", outcome="error", error_code="login_required"),
        AuditRecord(event="mint", outcome="sts_error", error_code="sts_refused", uid=0),
        AuditRecord(
            event="mint", profile="data", store="aws", uid=0, access_key_id="ASIA1",
            duration_got=900, expires_at=SAMPLE_NOW,
        ),
        AuditRecord(event="run_end", run_id="a2" * 8, uid=0, pid=7),
        AuditRecord(event="break_glass", reason="the disk is full", profile="data", pid=7),
    ],
    ids=lambda record: record.event,
)  # fmt: skip
def test_a_record_fits_the_schema(tmp_path: Path, record: AuditRecord) -> None:
    """As it is written."""
    assert complaints(written(tmp_path, record)) == []


def test_our_samples_are_like_real_records() -> None:
    """What is measured and altered in other tests has every column, and the size of a real one."""
    [line], _ = seal_all([sample_document(1)])
    assert complaints(json.loads(line)) == []
    assert 900 < len(line) < 1500


@pytest.mark.parametrize(
    "change",
    [
        {"event": "other"},
        {"time": "2026-06-01 12:00"},
        {"uid": "root"},
        {"seq": 0},
        {"chain": "AB" * 32},
        {"secret_access_key": "x"},
        {"event": "break_glass", "reason": None},
        {"event": "refuse", "outcome": "error", "error_code": "x"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_what_is_no_record_does_not_fit(change: dict[str, object]) -> None:
    """Other columns neither: a secret would need one. A refusal has no key."""
    [line], _ = seal_all([sample_document(1)])
    assert complaints(json.loads(line) | change)
