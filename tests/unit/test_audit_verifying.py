"""Whoever changes the ledger is found out, and whoever writes it is never suspected."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping
from itertools import cycle, islice
from pathlib import Path
from random import Random

import pytest

from agentkeys.audit import AuditRecord, FileLedger
from agentkeys.audit.chain import BEGINNING, LARGEST_LINE, Link, seal
from agentkeys.audit.lines import LedgerFile, open_files, open_ledger
from agentkeys.audit.reading import Records
from agentkeys.audit.verifying import Verification, verify
from agentkeys.errors import AuditError
from tests.support.ledger_alterations import ALTERATIONS
from tests.support.ledgers import WrittenLedger, sample_document, seal_all, write_ledger
from tests.support.moved_clock import MovedClock

SEED = 20260601
ALTERED = 1000


@pytest.fixture
def written(tmp_path: Path) -> WrittenLedger:
    """A hundred records in four files."""
    return write_ledger(tmp_path)


def checked(written: WrittenLedger, *heads: Link) -> Verification:
    return verify(open_ledger(written.path), heads)


def kinds(found: Verification) -> list[tuple[str, int | None]]:
    return [(problem.kind, problem.seq) for problem in found.problems]


def put(written: WrittenLedger, contents: Mapping[Path, bytes]) -> None:
    """Has these files there, and no other."""
    for path in written.path.parent.iterdir():
        path.unlink()
    for path, content in contents.items():
        path.write_bytes(content)


# what is sound


def test_a_ledger_as_it_was_written_is_sound(written: WrittenLedger) -> None:
    """Over several files, up to its head."""
    found = checked(written, written.head)
    assert found.is_sound
    assert (found.records, found.first, found.last, found.covered_to) == (100, 1, 100, 100)
    assert (found.ahead, found.unseen) == (0, ())
    assert found.files == tuple(map(str, written.contents))


def test_what_the_daemon_s_own_writer_has_written_is_sound(tmp_path: Path) -> None:
    """With files that were full, and whatever is in a record."""
    path = tmp_path / "audit" / "ledger.jsonl"
    ledger = FileLedger(path=path, clock=MovedClock(), largest=5000)
    for number in range(50):
        ledger.append(AuditRecord(event="serve", cwd='/ü\n"\\, "seq": 7\udcff' * (number % 5)))
    ledger.close()
    assert ledger.link
    found = verify(open_ledger(path), [ledger.link])
    assert (found.is_sound, found.records, found.covered_to) == (True, 50, 50)
    assert len(found.files) > 5


def test_records_may_be_ahead_of_the_head(written: WrittenLedger) -> None:
    """It is written after them; what it cannot vouch for is said."""
    (_, link), *_ = [seal_all(map(sample_document, range(1, 61)))]
    found = checked(written, link)
    assert (found.is_sound, found.covered_to, found.ahead) == (True, 60, 40)
    assert "records 61 to 100 came after the kept head" in found.unseen[0]


def test_without_a_head_that_is_said(written: WrittenLedger) -> None:
    """A chain by itself shows no end that was cut off."""
    found = checked(written)
    assert (found.is_sound, found.covered_to, found.ahead) == (True, None, 100)
    assert "no kept head" in found.unseen[0]


def test_files_that_were_moved_away_are_no_damage(written: WrittenLedger) -> None:
    """As an operator does it, the oldest first; that they are not here is said."""
    oldest, second, *_ = written.contents
    oldest.unlink()
    second.unlink()
    found = checked(written, written.head)
    assert (found.is_sound, found.first, found.records) == (True, 51, 50)
    assert "records 1 to 50 are not here" in found.unseen[0]


def test_an_archive_can_be_checked_by_itself(written: WrittenLedger, tmp_path: Path) -> None:
    """Also together with what is still there."""
    oldest, *others = written.contents
    archived = tmp_path / oldest.name
    oldest.rename(archived)
    assert verify(open_files([archived])).is_sound
    found = verify(open_files([archived, *others]), [written.head])
    assert (found.is_sound, found.records, found.first) == (True, 100, 1)


def test_where_all_was_moved_away_the_head_still_fits(written: WrittenLedger) -> None:
    """The first record that comes then says what it follows."""
    lines, end = seal_all([sample_document(101)], written.head)
    put(written, {written.path: b"".join(lines)})
    found = checked(written, written.head)
    assert (found.is_sound, found.covered_to, found.ahead) == (True, 100, 1)
    assert checked(written, end).covered_to == 101


@pytest.mark.parametrize("content", [None, b""])
def test_no_ledger_is_a_sound_one(tmp_path: Path, content: bytes | None) -> None:
    """As long as no head says that there was one."""
    path = tmp_path / "ledger.jsonl"
    if content is not None:
        path.write_bytes(content)
    found = verify(open_ledger(path))
    assert (found.is_sound, found.records, found.first, found.last) == (True, 0, None, None)
    assert kinds(verify(open_ledger(path), [Link(3, "0" * 64)])) == [("truncated", 1)]


def test_other_files_in_the_folder_do_not_count(written: WrittenLedger) -> None:
    """Such as those that were put away because they are no chain."""
    written.path.with_name("ledger-unchained-20260601T120000Z.jsonl").write_text("old\n")
    written.path.with_name("notes.txt").write_text("mine\n")
    assert checked(written, written.head).is_sound


# what is not


def _altered(dice: Random, alter: Callable[..., dict[Path, bytes]], written: WrittenLedger) -> None:
    contents = alter(dice, written.contents)
    while list(contents.items()) == list(written.contents.items()):
        contents = alter(dice, written.contents)
    put(written, contents)


def test_every_one_of_a_thousand_random_alterations_is_found(written: WrittenLedger) -> None:
    """Bytes, lines and files: changed, removed, added or put elsewhere, by chance and by design."""
    dice = Random(SEED)
    for number, alter in enumerate(islice(cycle(ALTERATIONS), ALTERED)):
        _altered(dice, alter, written)
        found = checked(written, written.head)
        assert not found.is_sound, f"number {number}, {alter.__name__}"
        assert all(problem.message for problem in found.problems)


@pytest.mark.parametrize("name", ["ledger-000000000026.jsonl", "ledger.jsonl"])
@pytest.mark.parametrize("kind", ["link", "link to nowhere", "pipe", "folder"])
def test_what_is_no_file_is_not_taken_for_one(
    written: WrittenLedger, tmp_path: Path, kind: str, name: str
) -> None:
    """Also where a link leads to the very content: whoever put it there can change it."""
    path = written.path.with_name(name)
    path.rename(tmp_path / "elsewhere")
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to(tmp_path / ("elsewhere" if kind == "link" else "nowhere"))
    found = checked(written, written.head)
    assert "foreign" in [problem.kind for problem in found.problems]
    assert found.records == 75


def _rewritten(written: WrittenLedger, change: Callable[[list[bytes]], Iterable[bytes]]) -> None:
    """All lines in one file, changed."""
    lines = b"".join(written.contents.values()).splitlines(keepends=True)
    put(written, {written.path: b"".join(change(lines))})


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        pytest.param(
            lambda lines: [line.replace(b'"pid": 4017', b'"pid": 4018') for line in lines],
            [("changed", 17)],
            id="changed",
        ),
        pytest.param(lambda lines: lines[:16] + lines[17:], [("missing", 17)], id="removed"),
        pytest.param(lambda lines: lines[:16] + lines[26:], [("missing", 17)], id="ten removed"),
        pytest.param(
            lambda lines: [*lines[:16], lines[17], lines[16], *lines[18:]],
            [("reordered", 17)],
            id="swapped",
        ),
        pytest.param(
            lambda lines: [*lines[:16], *lines[19:], lines[17]],
            [("missing", 17), ("reordered", 18)],
            id="removed around one that was moved",
        ),
        pytest.param(
            lambda lines: [*lines[:40], lines[16], *lines[40:]], [("repeated", 17)], id="repeated"
        ),
        pytest.param(
            lambda lines: [*lines[:16], b"hello\n", *lines[16:]], [("foreign", None)], id="inserted"
        ),
        pytest.param(
            lambda lines: [*lines[:16], b"hello\n", *lines[17:]], [("foreign", None)], id="replaced"
        ),
        pytest.param(lambda lines: lines[:90], [("truncated", 91)], id="cut off"),
        pytest.param(lambda lines: [*lines, b'{"time": "20'], [("torn", None)], id="torn"),
        pytest.param(
            lambda lines: seal_all(map(sample_document, range(2, 102)))[0],
            [("head_mismatch", 100)],
            id="written anew",
        ),
        pytest.param(
            lambda lines: [*lines[:16], seal(b'{"a": 1}', Link(16, "0" * 64))[0], *lines[17:]],
            [("changed", 16), ("changed", 17)],
            id="of another chain",
        ),
        pytest.param(
            lambda lines: [seal(b'{"a": 1}', Link(0, "1" * 64))[0]],
            [("changed", 1), ("truncated", 2)],
            id="beginning nowhere",
        ),
    ],
)
def test_what_was_done_is_told(
    written: WrittenLedger,
    change: Callable[[list[bytes]], Iterable[bytes]],
    expected: list[tuple[str, int | None]],
) -> None:
    """Once each, with the number of the record, so that somebody can look."""
    _rewritten(written, change)
    assert kinds(checked(written, written.head)) == expected


def test_where_it_was_done_is_told(written: WrittenLedger) -> None:
    """File and line."""
    second = list(written.contents)[1]
    content = written.contents[second].replace(b'"pid": 4030', b'"pid": 1   ')
    put(written, {**written.contents, second: content})
    [problem] = checked(written, written.head).problems
    assert (problem.seq, problem.file, problem.line) == (30, str(second), 5)


def test_a_gap_that_the_daemon_has_found_stays_one(written: WrittenLedger) -> None:
    """It goes on from the head, so that nobody can forget what was there."""
    lines, head = seal_all([sample_document(121)], Link(120, "12" * 32))
    put(written, {**written.contents, written.path: written.contents[written.path] + lines[0]})
    found = checked(written, head)
    assert kinds(found) == [("missing", 101)]
    assert found.problems[0].message == "records 101 to 120 are missing"
    assert found.covered_to == 121


def test_what_nobody_has_written_after_the_head_is_found_out(written: WrittenLedger) -> None:
    """A whole ledger that begins behind the head is no archive's rest."""
    lines, _ = seal_all(map(sample_document, range(5)), Link(150, "15" * 32))
    put(written, {written.path: b"".join(lines)})
    assert kinds(checked(written, written.head)) == [("missing", 101)]
    lines, _ = seal_all(map(sample_document, range(5)), Link(100, "15" * 32))
    put(written, {written.path: b"".join(lines)})
    assert kinds(checked(written, written.head)) == [("head_mismatch", 100)]


def test_two_heads_must_both_fit(written: WrittenLedger) -> None:
    """What the keyring keeps and what the daemon remembers may differ, and never disagree."""
    _, older = seal_all(map(sample_document, range(1, 61)))
    assert checked(written, older, written.head).is_sound
    found = checked(written, Link(100, "0" * 64), written.head)
    assert kinds(found) == [("head_mismatch", 100)]


def test_a_heap_of_problems_is_counted(tmp_path: Path) -> None:
    """Not kept: whoever wrote it could fill our memory."""
    path = tmp_path / "ledger.jsonl"
    lines, _ = seal_all(map(sample_document, range(1, 5001)))
    path.write_bytes(b"".join(reversed(lines)) + b"\n" * 5000)
    found = verify(open_ledger(path))
    assert len(found.problems) == 1000
    assert found.further_problems > 8000
    assert found.records == 5000


def test_two_heads_behind_one_end_are_one_problem(written: WrittenLedger) -> None:
    """The one that is farther tells how much is missing."""
    for heads in ([107, 104], [104, 107], [107, 107]):
        found = checked(written, *(Link(seq, "a" * 64) for seq in heads))
        (problem,) = found.problems
        assert (problem.kind, problem.seq) == ("truncated", 101)
        assert "record 107 was written" in problem.message


@pytest.mark.parametrize("length", [LARGEST_LINE - 1, LARGEST_LINE, LARGEST_LINE + 1, 5 << 20])
@pytest.mark.parametrize("end", [b"", b"\n"])
def test_a_line_without_end_is_no_record(written: WrittenLedger, length: int, end: bytes) -> None:
    """And takes no memory; what stands behind it is still read."""
    content = written.contents[written.path]
    lines, head = seal_all([sample_document(101)], written.head)
    put(written, {**written.contents, written.path: content + b"x" * length + end})
    expected = "foreign" if end or length > LARGEST_LINE else "torn"
    assert kinds(checked(written, written.head)) == [(expected, None)]
    if end:
        with written.path.open("ab") as file:
            file.write(lines[0])
        found = checked(written, head)
        assert (kinds(found), found.covered_to) == ([("foreign", None)], 101)


def test_what_cannot_be_read_is_an_audit_error(tmp_path: Path) -> None:
    """And no verdict."""
    with pytest.raises(AuditError, match="there is no file") as refusal:
        verify(open_files([tmp_path / "gone.jsonl"]))
    assert refusal.value.hint
    (tmp_path / "audit").touch()
    with pytest.raises(AuditError, match="cannot be read"):
        verify(open_ledger(tmp_path / "audit" / "ledger.jsonl"))


def test_a_disk_that_fails_is_an_audit_error(written: WrittenLedger) -> None:
    """For readers, too: half of a ledger is none."""
    # One that the system lets nobody read.
    descriptor = os.open(written.path, os.O_WRONLY)
    try:
        for read in (verify, lambda files: list(Records(files))):
            with pytest.raises(AuditError, match="cannot be read"):
                read([LedgerFile(written.path, descriptor)])
    finally:
        os.close(descriptor)


def test_a_file_that_is_moved_away_meanwhile_is_an_audit_error(written: WrittenLedger) -> None:
    """No verdict on what nobody has looked at."""
    files = open_ledger(written.path)
    next(files)
    list(written.contents)[1].unlink()
    with pytest.raises(AuditError, match="moved away"):
        next(files)


# while others write

WRITE_IN_PIECES = """
import fcntl, os, sys, time
from pathlib import Path
from agentkeys.audit.chain import BEGINNING, seal
path, link = sys.argv[1], BEGINNING
document = b'{"cwd": "' + b"x" * 900 + b'"}'
print("ready", flush=True)
for number in range(100000):
    line, after = seal(document, link)
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    fcntl.flock(file, fcntl.LOCK_EX)
    before = os.fstat(file).st_size
    os.write(file, line[:400])
    if number % 3:
        os.write(file, line[400:])
        link = after
    else:  # as where the disk is full
        time.sleep(0.0005)
        os.ftruncate(file, before)
        document = document.swapcase()
    os.close(file)
    time.sleep(0.0005)
"""
APPEND = """
import sys, time
from pathlib import Path
from agentkeys.audit import AuditRecord, FileLedger
from agentkeys.clock import SystemClock
ledger = FileLedger(path=Path(sys.argv[1]), clock=SystemClock(), largest=20_000)
print("ready", flush=True)
while True:
    ledger.append(AuditRecord(event="serve", cwd="x" * 500))
    time.sleep(0.001)
"""


@pytest.mark.parametrize("writer", [WRITE_IN_PIECES, APPEND], ids=["in pieces", "with many files"])
def test_whoever_writes_meanwhile_is_not_suspected(writer: str, tmp_path: Path) -> None:
    """Half a line, one that is taken back, and a file that becomes a full one are no damage."""
    path = tmp_path / "audit" / "ledger.jsonl"
    path.parent.mkdir(mode=0o700)
    argv = [sys.executable, "-c", writer, str(path)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stdout.readline()
        try:
            rounds = records = 0
            while rounds < 100 or records < 200:
                found = verify(open_ledger(path))
                assert found.is_sound, found.problems
                assert found.records >= records
                rounds, records = rounds + 1, found.records
        finally:
            process.kill()


def test_a_file_that_becomes_a_full_one_is_read_once(written: WrittenLedger) -> None:
    """Under its old name or its new one; the file that is begun then is for the next time."""
    full = written.path.with_name("ledger-000000000076.jsonl")
    files = open_ledger(written.path)
    seen = [list(next(files).lines())]
    written.path.rename(full)
    lines, _ = seal_all([sample_document(101)], written.head)
    written.path.write_bytes(lines[0])
    seen += [list(file.lines()) for file in files]
    assert [len(each) for each in seen] == [25, 25, 25, 25]
    # As if it had got its new name between two glances at the folder.
    written.path.unlink()
    written.path.hardlink_to(full)
    assert checked(written, written.head).is_sound


def test_whoever_holds_the_file_for_ever_holds_nobody_up(written: WrittenLedger) -> None:
    """A line without its end is then what it is."""
    with written.path.open("ab") as file:
        file.write(b"{")
        file.flush()
        fcntl.flock(file, fcntl.LOCK_EX)
        assert kinds(checked(written, written.head)) == [("torn", None)]


def test_a_line_that_begins_after_it_was_opened_is_left_for_the_next_time(
    written: WrittenLedger,
) -> None:
    """However fast somebody writes, the end is reached."""
    files = open_ledger(written.path)
    for _ in range(3):
        next(files)
    present = next(files)
    lines, _ = seal_all([sample_document(101)], written.head)
    with written.path.open("ab") as file:
        file.write(lines[0])
    assert len(list(present.lines())) == 25


def test_beginning_is_what_record_one_follows() -> None:
    """The digest that no line has."""
    assert (BEGINNING.seq, BEGINNING.chain) == (0, "0" * 64)
