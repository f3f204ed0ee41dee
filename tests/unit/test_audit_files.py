"""The ledger's files: torn, full, moved, cut, not ours, out of reach, and brought to the disk."""

from __future__ import annotations

import fcntl
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from agentkeys.audit import AuditRecord, FileLedger, Link
from agentkeys.audit.backlog import MOST
from agentkeys.audit.chain import LARGEST_LINE
from agentkeys.audit.tail import lines_backwards
from agentkeys.errors import AuditError
from tests.support.chains import assert_chained, ledger_lines
from tests.support.ledgers import sample_document, seal_all
from tests.support.moved_clock import MovedClock

SERVE = AuditRecord(event="serve")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "audit" / "ledger.jsonl"


def ledger(path: Path, *, largest: int = 1 << 20) -> FileLedger:
    return FileLedger(path=path, clock=MovedClock(), largest=largest)


def filled(path: Path, *, records: int = 3, largest: int = 1 << 20) -> FileLedger:
    found = ledger(path, largest=largest)
    for _ in range(records):
        found.append(SERVE)
    return found


def started(path: Path, *, largest: int = 1 << 20) -> FileLedger:
    """What the next daemon finds."""
    found = ledger(path, largest=largest)
    found.mend()
    return found


def details(path: Path) -> list[tuple[str, str]]:
    """Outcome and words of what was recovered."""
    return [
        (line["outcome"], line["outcome_detail"])
        for line in ledger_lines(path)
        if line["event"] == "recovered"
    ]


def add(path: Path, content: bytes) -> None:
    with path.open("ab") as file:
        file.write(content)


# Ends that are torn.


@pytest.mark.parametrize("cut", [1, 30, 200, 400])
def test_a_line_cut_anywhere_is_taken_away(path: Path, cut: int) -> None:
    """Its number goes to the record that tells of it."""
    filled(path)
    os.truncate(path, path.stat().st_size - cut)
    started(path).append(SERVE)
    found = assert_chained(path)
    assert [line["event"] for line in found] == ["serve", "serve", "recovered", "serve"]
    assert found[2]["outcome_detail"].startswith("a torn line of ")
    assert len(found[2]["outcome_detail"]) < 1100


@pytest.mark.parametrize("torn", [b"\0" * 5000, b'{"time"\0\0\0', "é".encode()[:1], b"\xff" * 3000])
def test_what_a_power_cut_leaves_is_taken_away(path: Path, torn: bytes) -> None:
    """Blocks of NULs, and text that is none."""
    filled(path)
    add(path, torn)
    started(path)
    assert len(assert_chained(path)) == 4
    [(outcome, said)] = details(path)
    assert outcome == "ok"
    assert said.startswith(f"a torn line of {len(torn)} bytes was removed: ")


def test_a_ledger_that_is_nothing_but_a_torn_line_begins_anew(path: Path) -> None:
    """The machine went down in the middle of the first record."""
    filled(path, records=1)
    os.truncate(path, 50)
    started(path)
    [line] = assert_chained(path)
    assert (line["event"], line["seq"]) == ("recovered", 1)


def test_a_line_that_another_daemon_has_torn_is_taken_away_at_the_next_record(path: Path) -> None:
    """It need not have been a start."""
    works = filled(path)
    add(path, b'{"time": "20')
    works.append(SERVE)
    assert [line["event"] for line in assert_chained(path)[3:]] == ["recovered", "serve"]


# Files that are not as they were left.


def test_a_start_goes_on_where_the_last_one_ended(path: Path) -> None:
    """However many there were."""
    for number in range(1, 4):
        start = started(path)
        assert start.link == Link(
            number - 1, ledger_lines(path)[-1]["chain"] if number > 1 else "0" * 64
        )
        start.append(SERVE)
    assert len(assert_chained(path)) == 3
    assert details(path) == []


def test_a_ledger_without_a_chain_is_put_aside(path: Path) -> None:
    """As older versions wrote it; nothing of it is lost."""
    path.parent.mkdir(mode=0o700)
    old = b'{"time": "2026-01-01T00:00:00Z", "event": "mint"}\n' * 3
    path.write_bytes(old)
    started(path)
    name = "ledger-unchained-20260601T120000Z.jsonl"
    assert path.with_name(name).read_bytes() == old
    assert details(path) == [("ok", f"a ledger without a chain was put aside as {name}")]
    assert len(assert_chained(path)) == 1


def test_a_line_longer_than_any_is_put_aside(path: Path) -> None:
    """It is no torn line of ours that could be quoted."""
    path.parent.mkdir(mode=0o700)
    path.write_bytes(b"x" * (3 * LARGEST_LINE))
    started(path)
    assert len(assert_chained(path)) == 1
    assert path.with_name("ledger-unchained-20260601T120000Z.jsonl").exists()


@pytest.mark.parametrize("strange", [b"hello\n", b"x" * 100_000 + b"\n", b"{}\n" * 40_000])
def test_lines_of_somebody_else_stay_and_are_told_of(path: Path, strange: bytes) -> None:
    """The chain goes on behind them, from the last record."""
    works = filled(path)
    add(path, strange)
    works.append(SERVE)
    started(path).append(SERVE)
    whole = path.read_bytes()
    assert strange in whole
    path.write_bytes(whole.replace(strange, b""))
    assert len(assert_chained(path)) == 6
    assert details(path) == [("ok", "lines that are not of agentkeys stand before this one")]


def test_one_that_is_cut_off_under_a_daemon_has_a_gap_for_ever(path: Path) -> None:
    """The chain goes on from what the daemon remembers."""
    works = filled(path, records=5)
    kept = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(kept[:2]))
    works.append(SERVE)
    said = "the ledger ended at record 2, its head is at 5: records are missing"
    assert details(path) == [("error", said)]
    assert works.gap is not None
    assert works.gap.message == said
    assert [line["seq"] for line in ledger_lines(path)] == [1, 2, 6, 7]


def test_the_gap_is_told_once_also_where_it_cannot_be_written(path: Path) -> None:
    """A full disk does not make it more."""
    works = filled(path, records=5)
    kept = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(kept[0])
    with room_for(path, 10):
        for _ in range(3):
            with pytest.raises(AuditError):
                works.append(SERVE)
    works.append(SERVE)
    assert [line["seq"] for line in ledger_lines(path)] == [1, 6, 7, 8, 9, 10]
    assert len(details(path)) == 1


@pytest.mark.parametrize("name", ["ledger.jsonl", "ledger-000000000001.jsonl"])
def test_one_that_is_written_anew_under_a_daemon_has_a_gap_for_ever(path: Path, name: str) -> None:
    """However long it is, and whatever it is called: no other daemon has gone on from there."""
    works = filled(path, records=5)
    before = works.link
    assert before is not None
    path.unlink()
    # The same number is left with another record, and more come after it.
    path.with_name(name).write_bytes(b"".join(seal_all(map(sample_document, range(1, 9)))[0]))
    works.append(SERVE)
    recovered, served = ledger_lines(path)[-2:]
    said = "the ledger's record 5 is not the one that its head is of: records are missing"
    assert (recovered["seq"], recovered["previous"]) == (9, before.chain)
    assert recovered["outcome_detail"] == said
    assert (served["seq"], served["event"]) == (10, "serve")
    assert works.gap is not None


# Full files.


def first_number(file: Path) -> int:
    """The number of its first record."""
    seq = json.loads(file.read_bytes().partition(b"\n")[0])["seq"]
    assert isinstance(seq, int)
    return seq


def test_a_full_file_is_put_away_and_the_chain_goes_on(path: Path) -> None:
    """Under the number of its first record."""
    works = filled(path, records=40, largest=5000)
    names = sorted(each.name for each in path.parent.glob("ledger-*.jsonl"))
    assert len(names) > 3
    assert names[0] == "ledger-000000000001.jsonl"
    assert all(each.stat().st_size <= 5000 for each in path.parent.iterdir())
    for each in path.parent.glob("ledger-*.jsonl"):
        assert each.name == f"ledger-{first_number(each):012}.jsonl"
    works.append(SERVE)
    started(path, largest=5000).append(SERVE)
    assert len(assert_chained(path)) == 42


def test_a_start_without_a_present_file_goes_on_from_the_full_ones(path: Path) -> None:
    """It was killed between the two."""
    filled(path, records=10, largest=2500)
    last = max(path.parent.glob("ledger-*.jsonl"))
    seq = int(last.stem.partition("-")[2])
    path.unlink()
    works = started(path)
    assert works.link is not None
    assert works.link.seq >= seq
    works.append(SERVE)
    assert_chained(path)


ROTATE = """
import sys
from pathlib import Path
from agentkeys.audit import AuditRecord, FileLedger
from agentkeys.clock import SystemClock
ledger = FileLedger(path=Path(sys.argv[1]), clock=SystemClock(), largest=20_000)
for _ in range(300):
    ledger.append(AuditRecord(event="serve"))
"""


def test_writers_of_several_processes_share_full_files(path: Path) -> None:
    """Whoever fills one puts it away, and the others go on in the next."""
    argv = [sys.executable, "-c", ROTATE, str(path)]
    writers = [subprocess.Popen(argv) for _ in range(3)]
    assert [writer.wait() for writer in writers] == [0, 0, 0]
    assert len(assert_chained(path)) == 900
    assert len(list(path.parent.glob("ledger-*.jsonl"))) > 10


# What cannot be written.


@contextmanager
def room_for(path: Path, size: int) -> Iterator[None]:
    """A disk that is full once `path` has grown by `size` bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_records_that_found_no_room_are_written_later(path: Path) -> None:
    """In their order, before the next one, and with their own time."""
    clock = MovedClock()
    works = FileLedger(path=path, clock=clock)
    works.append(SERVE)
    with room_for(path, 100):
        for event in ("mint", "refuse"):
            with pytest.raises(AuditError, match="No space left"):
                works.append(AuditRecord(event=event))
            clock.move(timedelta(minutes=1))
        with pytest.raises(AuditError):
            works.append(AuditRecord(event="serve"), keep=False)
    assert works.waiting_count == 2
    works.append(AuditRecord(event="logout"))
    assert works.waiting_count == 0
    found = assert_chained(path)
    assert [(line["event"], line["time"][11:16]) for line in found] == [
        ("serve", "12:00"), ("mint", "12:00"), ("refuse", "12:01"), ("logout", "12:02"),
    ]  # fmt: skip


def test_more_than_can_wait_are_counted(path: Path) -> None:
    """And told, once there is room."""
    works = filled(path, records=1)
    with room_for(path, 0):
        for _ in range(MOST + 5):
            with pytest.raises(AuditError):
                works.append(SERVE)
    works.append(AuditRecord(event="logout"))
    found = assert_chained(path)
    assert len(found) == 1 + MOST + 2
    assert found[-2]["outcome_detail"] == "5 records could not be written, and are lost"
    assert (found[-2]["outcome"], found[-1]["event"]) == ("error", "logout")


def test_what_waits_can_be_handed_on(path: Path) -> None:
    """To the next daemon in the same process."""
    works = filled(path, records=1)
    with room_for(path, 0), pytest.raises(AuditError):
        works.append(AuditRecord(event="mint", cwd="/ä\udcff"))
    following = FileLedger(path=path, clock=MovedClock(), waiting=works.waiting)
    following.mend()
    assert [line["event"] for line in assert_chained(path)] == ["serve", "mint"]


def test_a_lock_that_is_never_given_back_costs_little(path: Path) -> None:
    """The first time 50 ms, then nothing, until it is free."""
    works = filled(path, records=1)
    with path.open("ab") as stuck:
        fcntl.flock(stuck, fcntl.LOCK_EX)
        begun = time.monotonic()
        for _ in range(100):
            with pytest.raises(AuditError, match="another process holds its lock"):
                works.append(SERVE)
        assert time.monotonic() - begun < 1
    works.append(SERVE)
    assert len(assert_chained(path)) == 102


def test_what_is_in_the_way_is_named(path: Path) -> None:
    """A hint leads to what stands there, rather than to a disk that has room."""
    works = filled(path)
    with path.open("rb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        assert "which process" in hint_of(works)
    path.rename(path.with_name("kept"))
    path.symlink_to("kept")
    assert "whose" in hint_of(works)
    path.unlink()
    path.mkdir()
    assert "whose" in hint_of(works)
    path.rmdir()
    path.with_name("kept").rename(path)
    with room_for(path, 10):
        assert "make room" in hint_of(works)
    works.append(SERVE)
    assert len(assert_chained(path)) == 8


def hint_of(works: FileLedger) -> str:
    """With which a record is refused."""
    with pytest.raises(AuditError) as refused:
        works.append(SERVE)
    return refused.value.hint or ""


def test_a_folder_that_cannot_be_made_is_found_again_later(path: Path) -> None:
    """As when it was a file."""
    path.parent.touch()
    works = started(path)
    assert not works.link
    path.parent.unlink()
    works.append(SERVE)
    [line] = assert_chained(path)
    assert works.link == Link(1, line["chain"])


# Heads.


def test_the_files_hold_every_record_that_was_written(path: Path) -> None:
    """And no other, whichever file it is in."""
    works = filled(path, records=40, largest=5000)
    for line in ledger_lines(path):
        assert works.contains(Link(line["seq"], line["chain"]))
        assert not works.contains(Link(line["seq"], "0" * 64))
    assert not works.contains(Link(41, "0" * 64))
    assert works.contains(Link(0, "0" * 64))


@pytest.mark.parametrize(("head", "goes_on_at"), [(9, 10), (3, 4), (2, 4)])
def test_a_chain_goes_on_from_a_head_that_is_not_there(
    path: Path, head: int, goes_on_at: int
) -> None:
    """So that the gap can never be closed again."""
    works = filled(path)
    works.go_on_from(Link(head, "a" * 64))
    recovered = ledger_lines(path)[-1]
    assert (recovered["seq"], recovered["previous"]) == (goes_on_at, "a" * 64)
    assert recovered["outcome"] == "error"
    assert recovered["outcome_detail"].endswith("records are missing")
    assert works.gap is not None


def test_the_first_record_tells_which_one_it_follows(path: Path) -> None:
    """Where all before it was moved away, which leaves no gap."""
    works = filled(path)
    head = works.link
    assert head is not None
    path.rename(path.with_name("archived"))
    works.append(SERVE)
    assert started(path).contains(head)
    assert not started(path).contains(Link(head.seq, "a" * 64))
    assert not started(path).contains(Link(head.seq - 1, head.chain))


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, lambda path: path.symlink_to("nowhere")])
def test_what_is_no_file_holds_nobody_up(path: Path, make: Callable[[Path], None]) -> None:
    """A pipe, a folder or a link among the full files holds no records."""
    path.parent.mkdir(mode=0o700)
    make(path.with_name("ledger-000000000001.jsonl"))
    works = started(path)
    assert not works.contains(Link(1, "a" * 64))
    works.append(SERVE)
    assert works.link is not None
    assert works.contains(works.link)
    assert not works.contains(Link(7, "a" * 64))


def test_a_folder_of_others_gets_no_records(path: Path) -> None:
    """Open to them, or a link to where they may be at home."""
    path.parent.mkdir(mode=0o700)
    path.parent.chmod(0o770)
    works = ledger(path)
    with pytest.raises(AuditError, match="open to other users"):
        works.append(SERVE)
    path.parent.rename(path.parent.with_name("elsewhere"))
    path.parent.symlink_to("elsewhere")
    with pytest.raises(AuditError, match="is a link"):
        works.append(SERVE)
    assert not path.exists()
    path.parent.unlink()
    works.append(SERVE)
    assert len(assert_chained(path)) == 3


def test_lines_can_be_read_from_the_end(path: Path) -> None:
    """Across blocks, without what is torn."""
    path.parent.mkdir()
    lines = [b"%d" % number * (number % 700) for number in range(1000)]
    path.write_bytes(b"".join(line + b"\n" for line in lines) + b"torn")
    assert list(lines_backwards(path)) == lines[::-1]
    path.write_bytes(b"torn")
    assert list(lines_backwards(path)) == []
    path.write_bytes(b"")
    assert list(lines_backwards(path)) == []


# The disk.


def descriptors() -> int:
    """How many this process holds."""
    return len(list(Path("/dev/fd").iterdir()))


def test_a_sync_lets_go_of_all_files(path: Path) -> None:
    """Those that were put away since the last one, too."""
    before = descriptors()
    works = filled(path, records=40, largest=5000)
    assert descriptors() > before
    works.sync()
    works.sync()
    assert descriptors() == before
    works.append(SERVE)
    works.close()
    assert descriptors() == before
