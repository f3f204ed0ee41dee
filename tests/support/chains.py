"""Ledgers as tests read them: by the words of the format alone, and none of our own code."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

__all__ = ["Line", "assert_chained", "ledger_lines"]

Line = dict[str, Any]
_ENDING = len(', "chain": ""}') + 64


def ledger_lines(path: Path) -> list[Line]:
    """All records of the ledger whose present file is `path`, full files first."""
    return [json.loads(line) for line in _raw(path)]


def assert_chained(path: Path, *, after: tuple[int, str] = (0, "0" * 64)) -> list[Line]:
    """Every line is one record, in one unbroken chain that goes on from `after`; returns them."""
    seq, previous = after
    found = []
    for raw in _raw(path):
        line = json.loads(raw)
        covered, ending = raw[:-_ENDING], raw[-_ENDING:]
        chain = hashlib.sha256(covered).hexdigest()
        assert ending == f', "chain": "{chain}"}}'.encode(), raw
        assert list(line)[-3:] == ["seq", "previous", "chain"]
        assert (line["seq"], line["previous"]) == (seq + 1, previous), raw
        seq, previous = line["seq"], line["chain"]
        found.append(line)
    return found


def _raw(path: Path) -> list[bytes]:
    content = b"".join(each.read_bytes() for each in _files(path))
    assert not content or content.endswith(b"\n")
    return content.splitlines()


def _files(path: Path) -> list[Path]:
    full = sorted(path.parent.glob("ledger-0*.jsonl"))
    return [*full, path] if path.exists() else full
