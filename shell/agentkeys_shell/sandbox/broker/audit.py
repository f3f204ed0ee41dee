"""The broker's own record of mints: one row an attempt, in SQLite."""

from __future__ import annotations

import os
import sqlite3
from dataclasses import astuple, dataclass, fields
from pathlib import Path

from agentkeys_shell.sandbox.broker.web import Refused

__all__ = ["AuditLog", "AuditRow"]


@dataclass(frozen=True, slots=True)
class AuditRow:
    """The columns, under the names that a real broker gives them."""

    minted_at: int
    requester_token_hash: str
    requester_wallet: str
    requested_role: str
    session_duration_seconds: int
    sts_session_name: str
    outcome: str
    outcome_detail: str | None = None


_COLUMNS = tuple(column.name for column in fields(AuditRow))
# Names and marks only; the values are bound.
_CREATE = f"CREATE TABLE IF NOT EXISTS mint_audit ({', '.join(_COLUMNS)})"
_INSERT = f"INSERT INTO mint_audit VALUES ({', '.join('?' * len(_COLUMNS))})"  # noqa: S608


class AuditLog:
    """Writes rows to a database that only its owner can read."""

    def __init__(self, path: Path) -> None:
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_NOFOLLOW, 0o600))
        self._database = sqlite3.connect(path)
        # Throw-away data: a mint need not wait for the disk.
        self._database.execute("PRAGMA synchronous = OFF")
        self._database.execute(_CREATE)

    def write(self, row: AuditRow) -> None:
        """Raises Refused (`audit_error`), and then nothing that was minted may be given out."""
        try:
            with self._database:
                self._database.execute(_INSERT, astuple(row))
        except sqlite3.Error as error:
            raise Refused("audit_error", str(error)) from error

    def close(self) -> None:
        """No rows after this."""
        self._database.close()
