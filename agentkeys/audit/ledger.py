"""The ledger: one line for everything that concerns credentials, and never a secret in it.

`audit/ledger.jsonl` in the state folder, mode 0600, appended to only, one JSON object a line, each
with a digest of itself and of the line before it (`chain`).
"""

from __future__ import annotations

import errno
import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import fields
from datetime import datetime
from pathlib import Path
from typing import Protocol

from agentkeys.audit.backlog import Backlog
from agentkeys.audit.chain import Link
from agentkeys.audit.chained_file import ChainedFile
from agentkeys.audit.record import AuditRecord
from agentkeys.clock import Clock, format_utc
from agentkeys.errors import AuditError, ConfigError

__all__ = ["LARGEST_FILE", "ChainedLedger", "FileLedger", "Ledger"]

LARGEST_FILE = 64 << 20
"""Bytes of the present file before it is put away as a full one."""


class Ledger(Protocol):
    """Takes audit records."""

    @property
    def gap(self) -> AuditError | None:
        """What of the ledger was found to be missing, since this object was made."""
        ...

    def append(self, record: AuditRecord, *, keep: bool = True) -> None:
        """Returns when the line is written; raises AuditError.

        What cannot be written then is written before the next one that can, unless `keep` is False.
        """
        ...


class ChainedLedger(Ledger, Protocol):
    """One whose records are linked, and outlive the machine on demand."""

    @property
    def link(self) -> Link | None:
        """The last record's; None where nothing is known of the files yet."""
        ...

    @property
    def waiting(self) -> Sequence[str]:
        """The records that could not be written yet, as JSON objects, oldest first."""
        ...

    @property
    def waiting_count(self) -> int:
        """How many there are, with those that were too many to be kept."""
        ...

    def sync(self) -> None:
        """Returns when all lines written so far outlive the machine; raises AuditError.

        Blocks, and may be called in a thread.
        """
        ...

    def contains(self, link: Link) -> bool:
        """Whether the files hold the record that `link` is of; raises AuditError.

        Blocks, and may be called in a thread.
        """
        ...

    def go_on_from(self, head: Link) -> None:
        """Has the chain go on from a head that the files do not hold, so that all can see the gap.

        For once `link` is known.
        """
        ...

    def note_recovery(self, detail: str, *, outcome: str = "ok") -> None:
        """Writes down that something about the ledger itself was not as it should be."""
        ...


class FileLedger:
    """The ledger as files, which survive being moved away; several processes may append to it."""

    def __init__(
        self,
        *,
        path: Path,
        clock: Clock,
        largest: int = LARGEST_FILE,
        waiting: Iterable[str] = (),
    ) -> None:
        """`waiting` is what an earlier one could not write."""
        self._path = path
        self._clock = clock
        self._file = ChainedFile(path=path, clock=clock, largest=largest, tell=self._found)
        self._backlog = Backlog(text.encode("utf-8", "replace") for text in waiting)
        self._gap: AuditError | None = None

    @property
    def link(self) -> Link | None:
        return self._file.link

    @property
    def gap(self) -> AuditError | None:
        return self._gap

    @property
    def waiting(self) -> Sequence[str]:
        return [document.decode() for document in self._backlog]

    @property
    def waiting_count(self) -> int:
        return len(self._backlog)

    def mend(self) -> None:
        """Finds out where the chain ends, and takes away a line in whose middle somebody went down.

        For a start; what cannot be mended is told by the next append.
        """
        with suppress(AuditError):
            self._write()

    def append(self, record: AuditRecord, *, keep: bool = True) -> None:
        document = self._document(record)
        try:
            self._write(document)
        except AuditError:
            if keep:
                self._backlog.add(document)
            raise

    def sync(self) -> None:
        with self._told("written"):
            self._file.sync()

    def contains(self, link: Link) -> bool:
        with self._told("read"):
            return self._file.contains(link)

    def go_on_from(self, head: Link) -> None:
        self._file.go_on_from(head)
        self.mend()

    def note_recovery(self, detail: str, *, outcome: str = "ok") -> None:
        with suppress(AuditError):
            self.append(_recovered(detail, outcome))

    def close(self) -> None:
        """Lets go of what `sync` would still need."""
        self._file.close()

    def _write(self, *documents: bytes) -> None:
        with self._told("written"):
            self._file.append(lambda: [*self._backlog, *self._lost(), *documents])
        self._backlog.clear()

    def _found(self, detail: str, *, is_missing: bool = False) -> None:
        if is_missing:
            self._gap = AuditError(detail, hint="run: agentkeys audit verify")
        outcome = "error" if is_missing else "ok"
        self._backlog.add(self._document(_recovered(detail, outcome)))

    def _lost(self) -> list[bytes]:
        if not self._backlog.lost:
            return []
        detail = f"{self._backlog.lost} records could not be written, and are lost"
        return [self._document(_recovered(detail, "error"))]

    def _document(self, record: AuditRecord) -> bytes:
        document: dict[str, object] = {"time": format_utc(self._clock.now())}
        for name in _FIELDS:
            value = getattr(record, name)
            document[name] = format_utc(value) if isinstance(value, datetime) else value
        return json.dumps(document, ensure_ascii=False).encode("utf-8", "replace")

    @contextmanager
    def _told(self, verb: str) -> Iterator[None]:
        """Makes an AuditError of what is wrong with the system, or with the folder."""
        try:
            yield
        except OSError as problem:
            raise AuditError(
                f"the ledger {self._path} cannot be {verb}: {problem.strerror}",
                hint=_hint(problem),
            ) from problem
        except ConfigError as problem:
            raise AuditError(
                f"the ledger {self._path} cannot be {verb}: {problem.message}", hint=problem.hint
            ) from problem


def _hint(problem: OSError) -> str:
    if isinstance(problem, BlockingIOError):
        return "see which process holds it, such as with lslocks"
    if problem.errno in _NOT_OURS:
        return "look at what it is and whose; it should be a file of yours, mode 0600"
    return "make room on the disk, or make the folder writable"


_NOT_OURS = {errno.EPERM, errno.ELOOP, errno.EISDIR, errno.ENXIO}
_FIELDS = tuple(each.name for each in fields(AuditRecord))


def _recovered(detail: str, outcome: str) -> AuditRecord:
    return AuditRecord(event="recovered", outcome=outcome, outcome_detail=detail)
