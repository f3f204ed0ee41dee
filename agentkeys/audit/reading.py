"""Reads the records of the ledger, one after the other, whatever else is in its files."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any, NoReturn

from agentkeys.audit.lines import LedgerFile
from agentkeys.clock import format_utc
from agentkeys.errors import AuditError

__all__ = ["Record", "Records", "parse_record"]

Record = dict[str, Any]
"""Its values are strings, whole numbers, true, false or null."""

_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", re.ASCII)
_BEGIN = b'{"time": "'
_AT_TIME = slice(len(_BEGIN), len(_BEGIN) + len("2026-06-01T12:00:00Z"))
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Records:
    """The records in `files`, in their order: all, those since a time, or those of a run.

    Says nothing of whether anybody has changed them. Iterating raises AuditError for a file that
    cannot be read.
    """

    def __init__(
        self, files: Iterable[LedgerFile], *, since: datetime | None = None, run: str | None = None
    ) -> None:
        self.skipped = 0
        """Lines so far that are no records."""
        self._files = files
        self._since = format_utc(max(since, _EPOCH)) if since else ""
        self._run = run
        # What decides most lines without taking them apart.
        self._old = self._since.encode()
        self._mark = json.dumps(run, ensure_ascii=False).encode("utf-8", "replace") if run else b""

    def __iter__(self) -> Iterator[Record]:
        for file in self._files:
            if not file.is_regular:
                raise AuditError(
                    f"the ledger {file.path} cannot be read: it is no file",
                    hint="see what was put in its place; agentkeys audit verify reads on behind it",
                )
            yield from self._wanted(file)

    def _wanted(self, file: LedgerFile) -> Iterator[Record]:
        for line in _readable(file):
            if self._is_passed_over(line):
                continue
            record = parse_record(line)
            if record is None:
                self.skipped += 1
            elif record["time"] >= self._since and self._run in (None, record.get("run_id")):
                yield record
        self.skipped += file.torn > 0

    def _is_passed_over(self, line: bytes) -> bool:
        """Whether a glance tells that it is none of those that are wanted."""
        if self._old and line.startswith(_BEGIN) and line[_AT_TIME] < self._old:
            return True
        return self._mark not in line


def _readable(file: LedgerFile) -> Iterator[bytes]:
    try:
        yield from file.lines()
    except OSError as problem:
        raise AuditError(
            f"the ledger {file.path} cannot be read: {problem.strerror}",
            hint="look at the disk that it is on",
        ) from problem


def parse_record(line: bytes) -> Record | None:
    """The record that a line holds; None where it holds none that we could have written."""
    try:
        found = _decoder.decode(line.decode("utf-8"))
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict) or not _is_ours(found):
        return None
    return found


def _is_ours(record: Record) -> bool:
    time, event = record.get("time"), record.get("event")
    if not (isinstance(time, str) and _TIME.fullmatch(time) and isinstance(event, str)):
        return False
    return all(value is None or isinstance(value, str | int) for value in record.values())


def _once_each(pairs: list[tuple[str, Any]]) -> Record:
    """Of two values under one name, every reader picks the one it likes."""
    record = dict(pairs)
    if len(record) < len(pairs):
        raise ValueError("a name twice")
    return record


def _refuse(text: str) -> NoReturn:
    """There are no fractions in a record, and nothing that JSON does not know."""
    raise ValueError(text)


_decoder = json.JSONDecoder(
    object_pairs_hook=_once_each, parse_float=_refuse, parse_constant=_refuse
)
