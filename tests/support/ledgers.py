"""Ledgers of several files, with records as large as real ones are."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from agentkeys.audit.chain import BEGINNING, Link, seal
from agentkeys.clock import format_utc
from tests.support.moved_clock import SAMPLE_NOW

__all__ = ["WrittenLedger", "sample_document", "seal_all", "write_ledger"]


@dataclass(frozen=True)
class WrittenLedger:
    """A sound one: its present file, what is in each of its files, and where its chain ends."""

    path: Path
    contents: Mapping[Path, bytes]
    """The oldest file first."""
    head: Link


def sample_document(number: int, **changes: object) -> bytes:
    """A record's object before it is sealed: one a minute, of some nine hundred bytes then."""
    document = {
        "time": format_utc(SAMPLE_NOW + timedelta(minutes=number)),
        "event_id": f"{number:016x}",
        "event": "serve",
        "outcome": "ok",
        "outcome_detail": None,
        "reason": None,
        "error_code": None,
        "identity": "me",
        "subject": "0x" + "ab" * 20,
        "requester_wallet": "0x" + "ab" * 20,
        "requester_token_hash": "cd" * 32,
        "profile": "data",
        "store": "aws",
        "requested_role": "arn:aws:iam::111122223333:role/agentkeys-data-role",
        "sts_session_name": f"agentkeys-0x{'ab' * 11}-1780315200",
        "run_id": None,
        "uid": 1000,
        "pid": 4000 + number,
        "exe": "/home/someone/.venv/bin/python3.11",
        "parent_exe": "/usr/bin/bash",
        "cwd": "/home/someone/projekte/größer",
        "session_duration_seconds": 3600,
        "duration_got": 3600,
        "policy_hash": None,
        "access_key_id": f"ASIA{number:016}",
        "sts_request_id": "b1b8b1c6-2f33-4f1e-9a06-0d5c6d5a7e2f",
        "expires_at": format_utc(SAMPLE_NOW + timedelta(minutes=number, hours=1)),
    }
    return json.dumps(document | changes, ensure_ascii=False).encode()


def seal_all(documents: Iterable[bytes], after: Link = BEGINNING) -> tuple[list[bytes], Link]:
    """Their lines, and where the chain ends then."""
    lines = []
    for document in documents:
        line, after = seal(document, after)
        lines.append(line)
    return lines, after


def write_ledger(folder: Path, *, files: int = 4, records: int = 25) -> WrittenLedger:
    """One with `records` in each of `files`, in a folder `audit` of its own."""
    path = folder / "audit" / "ledger.jsonl"
    path.parent.mkdir(mode=0o700, parents=True)
    contents, head = {}, BEGINNING
    for number in range(files):
        first = number * records + 1
        name = path if number == files - 1 else path.with_name(f"ledger-{first:012}.jsonl")
        lines, head = seal_all(map(sample_document, range(first, first + records)), head)
        contents[name] = b"".join(lines)
        name.write_bytes(contents[name])
        name.chmod(0o600)
    return WrittenLedger(path, contents, head)
