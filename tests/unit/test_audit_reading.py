"""Reads the ledger, whatever somebody has put into it."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentkeys.audit import AuditRecord, FileLedger
from agentkeys.audit.chain import LARGEST_LINE
from agentkeys.audit.lines import open_ledger
from agentkeys.audit.reading import Records, parse_record
from agentkeys.errors import AuditError
from agentkeys_shell.ledger_text import print_lines, print_records, print_records_json
from agentkeys_shell.since import parse_since
from tests.support.ledgers import WrittenLedger, sample_document, write_ledger
from tests.support.moved_clock import SAMPLE_NOW, MovedClock

SOUND = b'{"time": "2026-06-01T12:00:00Z", "event": "serve"}'


@pytest.fixture
def written(tmp_path: Path) -> WrittenLedger:
    """A hundred records in four files, one a minute."""
    return write_ledger(tmp_path)


def numbers(path: Path, **wanted: Any) -> list[int]:
    return [record["seq"] for record in Records(open_ledger(path), **wanted)]


def ledger_of(folder: Path, lines: Iterable[bytes]) -> Path:
    path = folder / "ledger.jsonl"
    path.write_bytes(b"".join(line + b"\n" for line in lines))
    return path


# which records


def test_all_records_come_in_their_order(written: WrittenLedger) -> None:
    """Those of the files that were full first."""
    assert numbers(written.path) == list(range(1, 101))


def test_what_the_daemon_has_written_comes_back(tmp_path: Path) -> None:
    """Every column of it."""
    path = tmp_path / "audit" / "ledger.jsonl"
    ledger = FileLedger(path=path, clock=MovedClock())
    ledger.append(AuditRecord(event="mint", profile="größer", uid=7, expires_at=SAMPLE_NOW))
    ledger.close()
    [record] = Records(open_ledger(path))
    assert (record["event"], record["profile"], record["uid"]) == ("mint", "größer", 7)
    assert record == json.loads(path.read_bytes())


@pytest.mark.parametrize(
    ("back", "expected"), [(timedelta(0), 1), (timedelta(minutes=40), 40), (timedelta(days=1), 101)]
)
def test_only_what_happened_since(written: WrittenLedger, back: timedelta, expected: int) -> None:
    """The time itself included, to the second."""
    assert numbers(written.path, since=SAMPLE_NOW + back) == list(range(max(expected, 1), 101))


def test_times_need_not_be_in_order(tmp_path: Path) -> None:
    """A clock may have been set, and what could not be written comes later."""
    path = ledger_of(tmp_path, (sample_document(number, seq=number) for number in (50, 1, 60, 2)))
    assert numbers(path, since=SAMPLE_NOW + timedelta(minutes=10)) == [50, 60]


@pytest.mark.parametrize("year", [1, 1900])
def test_since_ever_is_all(written: WrittenLedger, year: int) -> None:
    """However somebody writes that."""
    assert len(numbers(written.path, since=datetime(year, 1, 2, tzinfo=UTC))) == 100


def test_only_what_concerns_a_run(tmp_path: Path) -> None:
    """By its whole id, in its own column."""
    runs = ["abc", None, "ab", "abc"]
    documents = [sample_document(n, run_id=run, cwd="abc", seq=n) for n, run in enumerate(runs)]
    assert numbers(ledger_of(tmp_path, documents), run="abc") == [0, 3]
    assert numbers(ledger_of(tmp_path, documents), run='a"b') == []


def test_records_of_before_the_chain_come_first(written: WrittenLedger) -> None:
    """They were put away, not forgotten."""
    aside = written.path.with_name("ledger-unchained-20260101T000000Z.jsonl")
    aside.write_bytes(SOUND + b"\n")
    records = list(Records(open_ledger(written.path, with_unchained=True)))
    assert len(records) == 101
    assert "seq" not in records[0]


@pytest.mark.parametrize("folder", ["", "gone"])
def test_where_there_is_no_ledger_there_are_no_records(tmp_path: Path, folder: str) -> None:
    """No error either."""
    assert numbers(tmp_path / folder / "ledger.jsonl") == []


# what is no record

NO_RECORDS = {
    "nothing": b"",
    "no JSON": b"hello",
    "no object": b'["time"]',
    "no time": b'{"event": "serve"}',
    "no event": b'{"time": "2026-06-01T12:00:00Z"}',
    "another time": b'{"time": "yesterday", "event": "serve"}',
    "a time in other digits": '{"time": "٢٠٢٦-06-01T12:00:00Z", "event": "serve"}'.encode(),
    "an event that is none": b'{"time": "2026-06-01T12:00:00Z", "event": ["serve"]}',
    "a key twice": b'{"time": "2026-06-01T12:00:00Z", "event": "serve", "event": "mint"}',
    "a list": SOUND[:-1] + b', "exe": []}',
    "a key twice, deeper": SOUND[:-1] + b', "exe": {"a": 1, "a": 2}}',
    "a fraction": SOUND[:-1] + b', "uid": 1e999}',
    "not a number": SOUND[:-1] + b', "uid": NaN}',
    "a huge number": SOUND[:-1] + b', "uid": ' + b"9" * 10_000 + b"}",
    "no UTF-8": SOUND[:-1] + b', "exe": "\xff"}',
    "control characters": SOUND[:-1] + b', "exe": "\x1b[2J"}',
    "NULs": bytes(100),
    "a heap of lists": b"[" * 100_000,
    "a heap of objects": b'{"a":' * 100_000,
    "too long": b" " * (LARGEST_LINE + 1) + SOUND,
}


@pytest.mark.parametrize("line", NO_RECORDS.values(), ids=list(NO_RECORDS))
def test_what_is_no_record_is_passed_over(tmp_path: Path, line: bytes) -> None:
    """And counted, so that somebody can look."""
    records = Records(open_ledger(ledger_of(tmp_path, [SOUND, line, SOUND])))
    assert len(list(records)) == 2
    assert records.skipped == 1


def test_a_line_without_its_end_is_counted(tmp_path: Path) -> None:
    """It was never written to its end."""
    path = ledger_of(tmp_path, [SOUND])
    with path.open("ab") as file:
        file.write(SOUND)
    records = Records(open_ledger(path))
    assert (len(list(records)), records.skipped) == (1, 1)


def test_a_line_that_ends_as_on_windows_is_one(tmp_path: Path) -> None:
    """For reading; audit verify is stricter."""
    assert len(list(Records(open_ledger(ledger_of(tmp_path, [SOUND + b"\r"]))))) == 1


@given(st.binary(max_size=300) | st.binary(max_size=100).map(lambda tail: SOUND[:-1] + tail))
def test_no_line_is_too_odd(line: bytes) -> None:
    """Either it is a record with flat values, or it is none."""
    record = parse_record(line)
    assert record is None or all(
        value is None or isinstance(value, str | int) for value in record.values()
    )


@pytest.mark.parametrize("kind", ["link", "pipe", "folder"])
def test_what_is_no_file_is_an_error(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, kind: str
) -> None:
    """No link is followed, no pipe waited for."""
    path = tmp_path / "ledger.jsonl"
    if kind == "link":
        path.symlink_to(ledger_of(tmp_path_factory.mktemp("other"), [SOUND]))
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        path.mkdir()
    with pytest.raises(AuditError, match="cannot be read") as refusal:
        list(Records(open_ledger(path)))
    assert refusal.value.hint


# what people see of it


def test_a_table_of_usual_names_fits_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """Of eighty columns."""
    print_records([json.loads(sample_document(1, outcome="sts_error", profile="production"))])
    assert all(len(line) <= 80 for line in capsys.readouterr().out.splitlines())


def test_who_started_our_own_commands_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    """All of these are the same interpreter, which helps nobody."""
    ours = os.path.realpath(sys.executable)
    print_records(
        [json.loads(sample_document(1, exe=ours)), json.loads(sample_document(2, exe="/bin/cp"))]
    )
    _, first, second = capsys.readouterr().out.splitlines()
    assert (first.split()[4], second.split()[4]) == ("bash", "cp")


def test_a_hostile_ledger_does_nothing_to_a_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Escapes, other lines' ends and turned directions are replaced."""
    nasty = "\x1b[2J\x9b31m\r\n\u202e\u2028\ud800"
    columns = ("event", "outcome", "profile", "exe", "error_code", "access_key_id", "reason")
    lines = [
        json.dumps(json.loads(SOUND) | {"event": "break_glass"} | {column: nasty}).encode()
        for column in columns
    ]
    path = ledger_of(tmp_path, lines)
    assert print_records(Records(open_ledger(path))) == len(lines)
    print_lines([nasty])
    print_records_json(Records(open_ledger(path)))
    captured = capsys.readouterr()
    text = captured.out
    assert all(char.isprintable() or char == "\n" for char in text)
    assert len(text.splitlines()) == 1 + len(lines) + 1 + len(lines) + 1
    document = text[text.index("{") :]
    assert document.isascii()
    assert json.loads(document)["records"][0]["event"] == nasty


@pytest.mark.parametrize("value", [True, 7, None, "", "x" * 100_000])
def test_columns_of_another_kind_are_shown_all_the_same(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], value: object
) -> None:
    """Nobody has promised what a changed line holds."""
    columns = ("outcome", "profile", "exe", "error_code", "access_key_id", "outcome_detail")
    record = json.loads(SOUND) | {"event": "recovered"} | dict.fromkeys(columns, value)
    print_records(Records(open_ledger(ledger_of(tmp_path, [json.dumps(record).encode()]))))
    assert len(capsys.readouterr().out.splitlines()[1]) < 2000


# since when

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2h", datetime(2026, 6, 1, 10, tzinfo=UTC)),
        ("168h", datetime(2026, 5, 25, 12, tzinfo=UTC)),
        ("7d", datetime(2026, 5, 25, 12, tzinfo=UTC)),
        ("999999d", datetime(1970, 1, 1, tzinfo=UTC)),
        ("99999999h", datetime(1970, 1, 1, tzinfo=UTC)),
        ("2026-06-01T12:00:00Z", NOW),
        ("2026-06-01T14:00:00+02:00", NOW),
        ("2026-06-01T12:00:00.123456789Z", NOW.replace(microsecond=123456)),
    ],
)
def test_since_is_a_duration_or_a_time(text: str, expected: datetime) -> None:
    """As the configuration has durations, and ISO 8601 has times."""
    assert parse_since(text, now=NOW) == expected


def test_a_time_without_a_zone_is_local() -> None:
    """As people read their clocks."""
    assert parse_since("2026-06-01", now=NOW) == datetime(2026, 6, 1).astimezone()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0d",
        "1234567d",
        "yesterday",
        "0h",
        "2026-13-01",
        "9" * 5000 + "h",
        "0001-01-01T00:00+23:00",
    ],
)
def test_what_is_neither_is_a_mistake(text: str) -> None:
    """Nothing is guessed."""
    with pytest.raises((ValueError, OverflowError)):
        parse_since(text, now=NOW)
