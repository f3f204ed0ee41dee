"""The answer to what forgets leases."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from agentkeys.clock import format_utc
from agentkeys_daemon.http import HttpAnswer, json_answer

__all__ = ["forgotten"]


def forgotten(what: dict[str, str | Sequence[str]], until: datetime | None) -> HttpAnswer:
    """`what` was forgotten; credentials that were handed out live until `until`."""
    return json_answer(
        {"version": 1, **what, "credentials_live_until": format_utc(until) if until else None}
    )
