"""`agentkeys audit` reads the ledger and checks it, whatever is in its place."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from agentkeys.audit.chain import Link
from agentkeys.clock import SystemClock, format_utc
from tests.fakes.scripted_daemon import ScriptedDaemon
from tests.support.ledgers import WrittenLedger, sample_document, write_ledger
from tests.support.place import Place, assert_keeps_secrets
from tests.support.programs import BIN, Home, new_home

SCHEMA = json.loads(
    (Path(__file__).parents[2] / "docs" / "ledger.schema.json").read_text(encoding="utf-8")
)


@pytest.fixture
def quiet(tmp_path: Path) -> Iterator[Home]:
    """A home without a daemon."""
    with new_home() as found:
        yield found


@pytest.fixture
def written(quiet: Home) -> WrittenLedger:
    """The ledger of that home: a hundred records in four files."""
    quiet.state.mkdir(mode=0o700)
    return write_ledger(quiet.state)


def answer(link: Link | None, **changes: object) -> Mapping[str, bytes]:
    """What a daemon says of its ledger."""
    head = link and {"seq": link.seq, "chain": link.chain}
    told = {
        "version": 1,
        "head": head,
        "kept_head": head,
        "kept_in": "secret-service",
        "head_error": None,
        "waiting": 0,
    }
    return {"/v1/ledger": json.dumps(told | changes).encode()}


def document(home: Home, *argv: str, status: int = 0) -> Any:
    done = home.run("agentkeys", "audit", *argv, "--json")
    assert (done.status, done.stderr) == (status, ""), done
    return json.loads(done.stdout)


# reading


def test_what_happened_can_be_read(quiet: Home, written: WrittenLedger) -> None:
    """A line for each record, below a heading; it starts no daemon."""
    heading, *lines = quiet.succeed("agentkeys", "audit").splitlines()
    assert heading.split()[:3] == ["TIME", "EVENT", "OUTCOME"]
    assert len(lines) == 100
    assert lines[0].split() == [
        "2026-06-01T12:01:00Z", "serve", "ok", "data", "python3.11", "…0001",
    ]  # fmt: skip
    assert not quiet.socket.parent.exists()


def test_the_same_as_json(quiet: Home, written: WrittenLedger) -> None:
    """Every column of every record."""
    shown = document(quiet)
    assert shown["version"] == 1
    lines = b"".join(written.contents.values()).splitlines()
    assert shown["records"] == [json.loads(line) for line in lines]


def test_it_can_be_narrowed(quiet: Home, written: WrittenLedger) -> None:
    """To what happened since, and to a run."""
    assert len(document(quiet, "--since", "2026-06-01T13:31:00Z")["records"]) == 10
    assert document(quiet, "--since", "2026-06-02T00:00:00Z")["records"] == []
    now = format_utc(SystemClock().now() - timedelta(minutes=30))
    with written.path.open("ab") as file:
        file.write(sample_document(101, time=now, run_id="a" * 16) + b"\n")
    assert len(document(quiet, "--since", "1h")["records"]) == 1
    assert len(document(quiet, "--run", "a" * 16)["records"]) == 1
    assert quiet.succeed("agentkeys", "audit", "--run", "b" * 16) == (
        "the ledger has no such record\n"
    )


def test_where_there_is_no_ledger_that_is_said(quiet: Home) -> None:
    """It is no error: nothing has happened yet."""
    shown = quiet.succeed("agentkeys", "audit")
    assert shown == "the ledger has no records yet; the first login writes one\n"
    assert document(quiet) == {"version": 1, "records": []}
    assert not quiet.state.exists()


@pytest.mark.parametrize("since", ["7x", "yesterday", "0h", "12", "9" * 5000 + "h"])
def test_a_mistake_in_since_gets_a_hint(quiet: Home, since: str) -> None:
    """How to write it."""
    done = quiet.run("agentkeys", "audit", "--since", since)
    assert (done.status, done.stdout) == (2, "")
    error, hint = done.complaint()
    assert "is neither a duration nor a time" in error
    assert "2h" in hint
    assert "2026-06-01T12:00:00Z" in hint


@pytest.mark.parametrize("argv", [["--since", ""], ["--run", ""], ["--json", "verify"]])
def test_other_mistakes_are_usage_errors(quiet: Home, argv: list[str]) -> None:
    """One error, one hint."""
    done = quiet.run("agentkeys", "audit", *argv)
    assert (done.status, done.stdout) == (2, "")
    assert all(done.complaint())


@pytest.mark.parametrize("kind", ["link", "pipe", "folder", "no folder"])
@pytest.mark.parametrize("argv", [["audit"], ["audit", "--json"]])
def test_a_ledger_that_cannot_be_read_is_an_error(
    quiet: Home, written: WrittenLedger, argv: list[str], kind: str
) -> None:
    """One line what is wrong, one what to do."""
    written.path.unlink()
    if kind == "link":
        written.path.symlink_to("/dev/zero")
    elif kind == "pipe":
        os.mkfifo(written.path)
    elif kind == "folder":
        written.path.mkdir()
    else:
        written.path.parent.rename(quiet.state / "elsewhere")
        written.path.parent.touch()
    done = quiet.run("agentkeys", *argv)
    assert done.status == 1
    error, hint = done.complaint()
    assert "cannot be read" in error
    assert hint


def test_what_is_no_record_is_told_beside(quiet: Home, written: WrittenLedger) -> None:
    """The others are shown all the same; nothing of it reaches a terminal."""
    with written.path.open("ab") as file:
        file.write(b"\x1b[2J\x1b]0;owned\x07\n" + b"\xff\n" * 2)
    done = quiet.run("agentkeys", "audit")
    assert done.status == 0
    assert len(done.stdout.splitlines()) == 101
    assert "\x1b" not in done.stdout + done.stderr
    warning, hint = done.stderr.splitlines()
    assert warning == "agentkeys: warning: 3 lines of the ledger are no records, and not shown"
    assert hint == "agentkeys: hint: run: agentkeys audit verify"


def test_a_terminal_without_letters_is_no_reason_to_fail(
    quiet: Home, written: WrittenLedger
) -> None:
    """What it cannot show is replaced."""
    env = {"LANG": "en_US.ISO-8859-1", "LC_ALL": "C", "PYTHONCOERCECLOCALE": "0"}
    done = quiet.run("agentkeys", "audit", env=env)
    assert (done.status, len(done.stdout.splitlines())) == (0, 101)


def test_whoever_has_seen_enough_may_go(quiet: Home, written: WrittenLedger) -> None:
    """As head does."""
    done = quiet.run("bash", "-c", "agentkeys audit --json | head -c 10")
    assert done.stderr == ""


# verifying


def test_a_sound_ledger_is_called_so(quiet: Home, written: WrittenLedger) -> None:
    """Exit status 0."""
    with ScriptedDaemon(quiet.socket, answer(written.head)):
        lines = quiet.succeed("agentkeys", "audit", "verify").splitlines()
        shown = document(quiet, "verify")
    assert lines == [
        "sound: 100 records in 4 files, number 1 to 100",
        "the kept head vouches for what comes up to record 100",
    ]
    assert shown == {
        "version": 1,
        "sound": True,
        "records": 100,
        "files": [str(path) for path in written.contents],
        "first_seq": 1,
        "last_seq": 100,
        "covered_to": 100,
        "ahead": 0,
        "problems": [],
        "further_problems": 0,
        "unseen": [],
    }


def test_another_one_is_not(quiet: Home, written: WrittenLedger) -> None:
    """Exit status 1, and where to look."""
    content = written.contents[written.path]
    written.path.write_bytes(content.replace(b'"pid": 4080', b'"pid": 4081'))
    with ScriptedDaemon(quiet.socket, answer(written.head)):
        done = quiet.run("agentkeys", "audit", "verify")
        shown = document(quiet, "verify", status=1)
    assert (done.status, done.stderr) == (1, "")
    summary, problem, *_ = done.stdout.splitlines()
    assert summary.startswith("not sound: 1 problem in 99 records")
    assert problem == (
        f"  changed: the record that says it is number 80 was changed ({written.path}, line 5)"
    )
    assert shown["problems"] == [
        {
            "seq": 80,
            "file": str(written.path),
            "line": 5,
            "kind": "changed",
            "message": "the record that says it is number 80 was changed",
        }
    ]


@pytest.mark.parametrize("which", ["head", "kept_head"])
def test_either_head_finds_an_end_that_was_cut_off(
    quiet: Home, written: WrittenLedger, which: str
) -> None:
    """What the daemon remembers, and what the keyring keeps."""
    written.path.unlink()
    with ScriptedDaemon(quiet.socket, answer(written.head, **{which: None})):
        shown = document(quiet, "verify", status=1)
    assert [problem["kind"] for problem in shown["problems"]] == ["truncated"]


def test_what_cannot_be_seen_is_told(quiet: Home, written: WrittenLedger) -> None:
    """So that nobody believes more than there is."""
    written.path.with_name("ledger-unchained-20260101T000000Z.jsonl").touch()
    told = answer(written.head, kept_in="memory", waiting=3)
    with ScriptedDaemon(quiet.socket, told):
        beside, waiting, unchained = document(quiet, "verify")["unseen"]
    assert "in a file beside the ledger" in beside
    assert waiting.startswith("3 records wait")
    assert unchained.startswith("ledger-unchained-20260101T000000Z.jsonl")
    error = {"code": "vault_locked", "message": "the keyring is locked", "hint": "unlock it"}
    with ScriptedDaemon(quiet.socket, answer(None, head_error=error)):
        no_head, locked, _ = document(quiet, "verify")["unseen"]
    assert "no kept head" in no_head
    assert "the keyring is locked" in locked


def test_an_archive_is_checked_without_a_daemon(quiet: Home, written: WrittenLedger) -> None:
    """On any machine; together with the rest if that is named, too."""
    oldest, *_, present = written.contents
    shown = document(quiet, "verify", str(oldest))
    assert (shown["sound"], shown["records"], shown["covered_to"]) == (True, 25, None)
    assert document(quiet, "verify", *map(str, written.contents))["records"] == 100
    shown = document(quiet, "verify", str(oldest), str(present), status=1)
    assert [problem["message"] for problem in shown["problems"]] == ["records 26 to 75 are missing"]
    done = quiet.run("agentkeys", "audit", "verify", "gone.jsonl")
    assert done.status == 1
    assert done.complaint() == ("there is no file gone.jsonl", "name a file of a ledger")
    assert not quiet.socket.parent.exists()


def test_memory_stays_flat(quiet: Home, tmp_path: Path) -> None:
    """However much there is to check."""
    small = write_ledger(tmp_path / "small", files=1, records=100)
    large = write_ledger(tmp_path / "large", files=2, records=15_000)
    paths = [[str(path) for path in ledger.contents] for ledger in (small, large)]
    few, many = (_resident(quiet, *argv) for argv in paths)
    assert many - few < 8 << 10


def _resident(home: Home, *argv: str) -> int:
    """The most KiB that a check held."""
    script = (
        "import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True);"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    shown = home.succeed(
        sys.executable, "-c", script, str(BIN / "agentkeys"), "audit", "verify", *argv
    )
    return int(shown.splitlines()[-1])


# with a daemon of today


def test_what_a_daemon_writes_is_sound_and_fits_the_schema(place: Place) -> None:
    """While it writes on, with its own head."""
    place.through("GET credentials")
    place.through("POST runs")
    place.sts.refuse_with(403, "AccessDenied")
    place.tables["profiles"]["data"] = place.sound_profile(duration="30m")
    place.configure()
    place.through("GET credentials")
    place.log_out()
    home = place.home
    records = document(home)["records"]
    validator = Draft202012Validator(SCHEMA)
    for record in records:
        validator.validate(record)
    assert {"login", "mint", "serve", "run_start", "refuse"} <= {each["event"] for each in records}
    shown = document(home, "verify")
    assert shown["sound"], shown
    assert shown["covered_to"] >= len(records)
    assert_keeps_secrets(home.succeed("agentkeys", "audit"), place.sessions)


def test_a_daemon_s_head_finds_a_record_that_is_gone(place: Place) -> None:
    """And all that were written anew to hide it."""
    place.through("GET credentials")
    ledger = place.home.state / "audit" / "ledger.jsonl"
    whole = ledger.read_bytes()
    *lines, last = whole.splitlines(keepends=True)
    try:
        ledger.write_bytes(b"".join(lines))
        shown = document(place.home, "verify", status=1)
        assert [problem["kind"] for problem in shown["problems"]] == ["truncated"]
        assert json.loads(last)["seq"] == shown["problems"][0]["seq"]
    finally:
        ledger.write_bytes(whole)
    assert document(place.home, "verify")["sound"]
