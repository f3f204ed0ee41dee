"""One line of the ledger, before it is written.

The names of requester, role, duration, outcome and session name are those of the broker's own rows.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from datetime import datetime

__all__ = ["AuditRecord"]


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRecord:
    """One event. What does not apply, or is not known, is None and null in the file."""

    event_id: str = field(default_factory=lambda: secrets.token_hex(8))
    """16 hex digits of its own."""
    event: str
    """mint, serve, refuse, login, logout, forget, run_start, run_end, break_glass or recovered."""
    outcome: str = "ok"
    outcome_detail: str | None = None
    reason: str | None = None
    """Why somebody has broken the glass, in their own words."""
    error_code: str | None = None
    identity: str | None = None
    subject: str | None = None
    requester_wallet: str | None = None
    requester_token_hash: str | None = None
    """Lower-case hex SHA-256 of the broker session, as in the broker's rows."""
    profile: str | None = None
    store: str | None = None
    requested_role: str | None = None
    sts_session_name: str | None = None
    run_id: str | None = None
    uid: int | None = None
    pid: int | None = None
    exe: str | None = None
    parent_exe: str | None = None
    cwd: str | None = None
    session_duration_seconds: int | None = None
    duration_got: int | None = None
    policy_hash: str | None = None
    access_key_id: str | None = None
    sts_request_id: str | None = None
    expires_at: datetime | None = None
