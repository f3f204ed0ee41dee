"""The ledger on standard output, a record at a time: there may be millions of them."""

from __future__ import annotations

import json
import os
import shutil
import sys
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from agentkeys.audit.verifying import Problem, Verification

__all__ = ["folded", "lines_of_verification", "print_lines", "print_records", "print_records_json"]

_WIDTHS = {"TIME": 20, "EVENT": 11, "OUTCOME": 9, "PROFILE": 10, "PROGRAM": 10}
"""With the key 80 columns; whoever has longer names gets longer lines."""
_OWN = os.path.realpath(sys.executable)
"""What the kernel says that our commands are."""
_LONGEST = 200
"""Characters of what somebody has written."""


def print_records(records: Iterable[Mapping[str, Any]]) -> int:
    """A line each, below a heading; returns how many there were, and prints nothing for none."""
    count = 0
    for count, record in enumerate(records, start=1):
        if count == 1:
            print_lines([_row(*_WIDTHS, "KEY/ERROR")])
        print_lines([_line_of(record)])
    return count


def print_records_json(records: Iterable[Mapping[str, Any]]) -> None:
    """One document, in ASCII."""
    print('{"version": 1, "records": [', end="")
    for number, record in enumerate(records):
        print(",\n" if number else "\n", json.dumps(record), sep="", end="")
    print("]}")


def print_lines(lines: Iterable[str]) -> None:
    """What a terminal could take for a command is replaced, and what it has no letters for."""
    encoding = sys.stdout.encoding if sys.stdout else "ascii"
    for line in lines:
        text = "".join(char if char.isprintable() else "?" for char in line)
        print(text.encode(encoding, "replace").decode(encoding))


def folded(lines: Iterable[str]) -> Iterator[str]:
    """Broken between words where a person reads; whole where a program does."""
    if not sys.stdout.isatty():
        yield from lines
        return
    width = shutil.get_terminal_size().columns
    for line in lines:
        yield from textwrap.wrap(
            line,
            width,
            subsequent_indent="    ",
            break_long_words=False,
            break_on_hyphens=False,
        )


def _line_of(record: Mapping[str, Any]) -> str:
    return _row(
        record["time"],
        record["event"],
        record.get("outcome"),
        record.get("profile"),
        _program(record),
        _what(record),
    )


def _program(record: Mapping[str, Any]) -> str:
    """Its last part; of one of our own commands, whoever started that."""
    exe, parent = record.get("exe"), record.get("parent_exe")
    is_ours = exe == _OWN and isinstance(parent, str)
    return str((parent if is_ours else exe) or "").rstrip("/").rpartition("/")[2]


def _what(record: Mapping[str, Any]) -> str:
    """The error, or whose key it was; and what somebody has said about it."""
    key = record.get("access_key_id")
    words = [record.get("error_code") or (f"…{str(key)[-4:]}" if key else "")]
    if record["event"] in ("break_glass", "recovered"):
        words.append(record.get("reason") or record.get("outcome_detail") or "")
    return " ".join(str(word) for word in words if word)


def _row(*cells: object) -> str:
    *first, last = (_cell(cell) for cell in cells)
    padded = (f"{cell:<{width}}" for cell, width in zip(first, _WIDTHS.values(), strict=True))
    return "  ".join((*padded, last))


def _cell(value: object) -> str:
    text = "-" if value is None or value == "" else str(value)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def lines_of_verification(found: Verification) -> Iterator[str]:
    """What was found, then what could not be."""
    if found.is_sound:
        yield f"sound: {_extent(found)}"
    else:
        count = len(found.problems) + found.further_problems
        yield f"not sound: {_count(count, 'problem')} in {_extent(found)}"
        yield from map(_told, found.problems)
        if found.further_problems:
            yield f"  and {found.further_problems} more"
    if found.covered_to is not None:
        yield f"the kept head vouches for what comes up to record {found.covered_to}"
    yield from (f"not seen: {sentence}" for sentence in found.unseen)


def _extent(found: Verification) -> str:
    if found.first is None:
        return "no records"
    span = f"number {found.first} to {found.last}"
    return f"{_count(found.records, 'record')} in {_count(len(found.files), 'file')}, {span}"


def _told(problem: Problem) -> str:
    place = f" ({problem.file}" if problem.file else ""
    place += f", line {problem.line})" if problem.line else ")" if place else ""
    return f"  {problem.kind}: {problem.message}{place}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
