"""The ledger, as somebody has left it who could write to its files."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path

from agentkeys.audit import AuditRecord, FileLedger
from agentkeys.audit.lines import LedgerFile
from agentkeys.audit.reading import Records
from agentkeys.audit.verifying import verify
from tests.fuzz.edges.edge import Edge, hold
from tests.support.moved_clock import MovedClock

__all__ = ["LEDGER"]

_SEPARATOR = b"\xff\xfe"
"""Between two files of the ledger."""
_EVENTS = ("login", "mint", "run_start", "serve", "refuse", "run_end", "break_glass", "forget")


@cache
def _sound() -> bytes:
    """A ledger of eight records."""
    with tempfile.TemporaryDirectory(prefix="agentkeys-fuzz-") as folder:
        path = Path(folder, "ledger.jsonl")
        ledger = FileLedger(path=path, clock=MovedClock())
        for number, event in enumerate(_EVENTS):
            record = AuditRecord(
                event_id=f"{number:016x}", event=event, profile="data", run_id="abcdefghij234567"
            )
            ledger.append(record)
        ledger.close()
        return path.read_bytes()


def _seeds() -> Sequence[bytes]:
    sound = _sound()
    lines = sound.splitlines(keepends=True)
    return [
        sound,
        b"".join(lines[:3]) + _SEPARATOR + b"".join(lines[3:]),
        b"".join(lines[2:]),
        b"".join(lines[:3] + lines[4:]),
        b"".join([lines[1], lines[0], *lines[2:]]),
        sound + lines[-1],
        sound[:-30],
        sound + b"\0" * 100,
        b'{"time": "2026-06-01T12:00:00Z", "event": "mint"}\n' + sound,
        sound.replace(b"\n", b"\r\n"),
    ]


def _check(data: bytes) -> None:
    parts = data.split(_SEPARATOR)[:4]
    with _files(parts) as files:
        found = verify(files)
    hold(all(problem.message.isprintable() for problem in found.problems), "for terminals to obey")
    if found.is_sound:
        hold(_is_one_chain(parts), "sound, and no chain")
    with _files(parts) as files:
        for record in Records(files):
            json.dumps(record)
    with _files(parts) as files:
        in_run = list(Records(files, run="abcdefghij234567"))
    hold(all(each.get("run_id") == "abcdefghij234567" for each in in_run), "of another run")


@contextmanager
def _files(parts: Sequence[bytes]) -> Iterator[list[LedgerFile]]:
    with ExitStack() as opened:
        yield [opened.enter_context(_file(number, part)) for number, part in enumerate(parts)]


@contextmanager
def _file(number: int, content: bytes) -> Iterator[LedgerFile]:
    with tempfile.TemporaryFile(prefix="agentkeys-fuzz-") as file:
        os.write(file.fileno(), content)
        yield LedgerFile(Path(f"ledger-{number}.jsonl"), file.fileno())


def _is_one_chain(parts: Sequence[bytes]) -> bool:
    """Said once more, in other words than the program's."""
    previous = None
    for line in b"".join(part if part.endswith(b"\n") else b"" for part in parts).splitlines():
        document = json.loads(line)
        hashed, _, _ = line.rpartition(b', "chain": ')
        if document["chain"] != hashlib.sha256(hashed).hexdigest():
            return False
        if previous and (document["previous"], document["seq"]) != previous:
            return False
        previous = (document["chain"], document["seq"] + 1)
    return True


LEDGER = Edge("ledger", "ledgers", _seeds, _check)
