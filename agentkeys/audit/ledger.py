"""The ledger: one line for everything that concerns credentials, and never a secret in it.

`audit/ledger.jsonl` in the state folder, mode 0600, appended to only, one JSON object a line.
"""

from __future__ import annotations

import errno
import json
import os
import stat
from contextlib import suppress
from dataclasses import fields
from datetime import datetime
from pathlib import Path
from typing import Protocol

from agentkeys.audit.record import AuditRecord
from agentkeys.clock import Clock, format_utc
from agentkeys.errors import AuditError, ConfigError
from agentkeys.private_files import private_folder

__all__ = ["FileLedger", "Ledger"]


class Ledger(Protocol):
    """Takes audit records."""

    def append(self, record: AuditRecord) -> None:
        """Returns when the line is written; raises AuditError."""
        ...


class FileLedger:
    """The ledger as a file, which survives being moved away: every append opens it anew."""

    def __init__(self, *, path: Path, clock: Clock) -> None:
        self._path = path
        self._clock = clock

    def mend(self) -> None:
        """Ends a line in whose middle the machine went down, so that it takes no other with it.

        For a start, while nobody else writes. What cannot be mended is told by the next append.
        """
        flags = os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        with suppress(OSError), os.fdopen(os.open(self._path, flags), "r+b") as file:
            if file.seek(0, os.SEEK_END):
                file.seek(-1, os.SEEK_END)
                if file.read(1) != b"\n":
                    file.write(b"\n")

    def append(self, record: AuditRecord) -> None:
        text = json.dumps(self._document(record), ensure_ascii=False) + "\n"
        line = text.encode("utf-8", "replace")
        try:
            descriptor = self._open()
            try:
                _write_line(descriptor, line)
            finally:
                os.close(descriptor)
        except OSError as problem:
            raise AuditError(
                f"the ledger {self._path} cannot be written: {problem.strerror}",
                hint="make room on the disk, or make the folder writable",
            ) from problem
        except ConfigError as problem:
            raise AuditError(
                f"the ledger {self._path} cannot be written: {problem.message}", hint=problem.hint
            ) from problem

    def _open(self) -> int:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        # A pipe that somebody put there must not hold us up.
        flags |= os.O_NONBLOCK
        try:
            return os.open(self._path, flags, 0o600)
        except FileNotFoundError:
            private_folder(self._path.parent)
            return os.open(self._path, flags, 0o600)

    def _document(self, record: AuditRecord) -> dict[str, object]:
        document: dict[str, object] = {"time": format_utc(self._clock.now())}
        for name in _FIELDS:
            value = getattr(record, name)
            document[name] = format_utc(value) if isinstance(value, datetime) else value
        return document


_FIELDS = tuple(each.name for each in fields(AuditRecord))


def _write_line(descriptor: int, line: bytes) -> None:
    """One write, so that lines of two processes never mix; a full disk leaves no half of one."""
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode) or found.st_uid != os.getuid():
        raise PermissionError(errno.EPERM, "it is not a file of yours")
    written = os.write(descriptor, line)
    if written < len(line):
        # Back to where this line began, wherever another process had left the end.
        os.ftruncate(descriptor, os.lseek(descriptor, 0, os.SEEK_CUR) - written)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
