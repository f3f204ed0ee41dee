"""What came back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from agentkeys.http_dates import parse_http_date

__all__ = ["Answer", "measure_skew"]


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP answer, whatever its status."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    """By lower-case name; the values of a repeated header are joined by commas."""
    body: bytes = field(repr=False)
    skew: timedelta | None
    """The server's Date less our wall clock at the middle of the request, to about a second;
    positive when the server is ahead, None when it sent no date."""


def measure_skew(
    headers: Mapping[str, str], sent_at: datetime, received_at: datetime
) -> timedelta | None:
    """How far the server's clock is ahead of ours, from its Date header."""
    date = parse_http_date(headers.get("date", ""))
    return None if date is None else date - (sent_at + (received_at - sent_at) / 2)
