"""The record of a running sandbox, and whether what it names still runs."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from agentkeys.errors import SandboxError
from agentkeys.processes import ProcessId
from agentkeys.sandbox_record import (
    SandboxProcess,
    SandboxRecord,
    SandboxUser,
    is_live,
    load_sandbox_record,
    parse_sandbox_record,
    record_path,
    save_sandbox_record,
)

ALICE = SandboxUser("alice", "alice@sandbox.invalid", "sandbox")


def make_record(pid: int = 4711, started: str = "99") -> SandboxRecord:
    return SandboxRecord(
        broker=SandboxProcess(pid, started, "http://127.0.0.1:18091"),
        store=SandboxProcess(pid, started, "http://127.0.0.1:18333"),
        users=(ALICE,),
    )


def document(**changes: Any) -> bytes:
    process = {"pid": 4711, "started": "99", "url": "http://127.0.0.1:18091"}
    fields = {"version": 1, "broker": process, "store": process, "users": []}
    return json.dumps({**fields, **changes}).encode()


def test_a_saved_record_loads_as_it_was(tmp_path: Path) -> None:
    """What the shell writes is what others read."""
    save_sandbox_record(tmp_path, make_record())
    assert load_sandbox_record(tmp_path) == make_record()


def test_the_record_is_private_and_written_in_one_step(tmp_path: Path) -> None:
    """Its owner alone can read it, and no half-written file is left beside it."""
    save_sandbox_record(tmp_path, make_record())
    save_sandbox_record(tmp_path, make_record(pid=4712))
    assert record_path(tmp_path).stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [record_path(tmp_path)]


def test_no_record_is_none(tmp_path: Path) -> None:
    """A folder without a sandbox, or no folder at all, is an ordinary answer."""
    assert load_sandbox_record(tmp_path) is None
    assert load_sandbox_record(tmp_path / "missing") is None


def test_a_record_in_the_place_of_a_folder_is_told(tmp_path: Path) -> None:
    """What is there and cannot be read is an error, and not an absent sandbox."""
    record_path(tmp_path).mkdir()
    with pytest.raises(SandboxError, match="cannot be read"):
        load_sandbox_record(tmp_path)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"[]",
        b"\xff",
        b" " * 70_000,
        document(version=2),
        document(broker={}),
        document(store=[]),
        document(users=None),
        document(users=["alice"]),
        document(broker={"pid": "4711", "started": "99", "url": ""}),
        document(broker={"pid": 4711, "started": 99, "url": ""}),
    ],
)
def test_a_broken_record_names_its_file(tmp_path: Path, text: bytes) -> None:
    """Whatever is wrong with a record, the error says where it is and what to do."""
    record_path(tmp_path).write_bytes(text)
    with pytest.raises(SandboxError, match=r"sandbox\.json is not a sandbox record") as caught:
        load_sandbox_record(tmp_path)
    assert "agentkeys sandbox start" in caught.value.hint


@pytest.mark.parametrize("pid", [1, 0, -1, -4711])
def test_a_pid_that_means_many_processes_is_refused(pid: int) -> None:
    """No signal can go to a group of processes, or to init, because of what a file says."""
    process = {"pid": pid, "started": "99", "url": "http://127.0.0.1:18091"}
    with pytest.raises(ValueError, match="pid"):
        parse_sandbox_record(document(store=process))


def test_a_sandbox_is_live_while_both_parts_are() -> None:
    """One dead part is a dead sandbox."""
    itself = ProcessId.of(os.getpid())
    assert itself
    live = make_record(itself.pid, itself.started)
    assert is_live(live)
    dead = SandboxProcess(os.getpid(), "1", "http://127.0.0.1:18091")
    assert not is_live(SandboxRecord(broker=dead, store=live.store, users=()))
    assert not is_live(SandboxRecord(broker=live.broker, store=dead, users=()))
