"""The times that HTTP headers carry: RFC 9110, sections 5.6.7 (dates) and 10.2.3 (Retry-After)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

__all__ = ["parse_http_date", "retry_after"]


def parse_http_date(text: str) -> datetime | None:
    """A header's date, aware and in UTC; None when it is no date."""
    try:
        at = parsedate_to_datetime(text)
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError, TypeError, IndexError):
        return None


def retry_after(headers: Mapping[str, str], now: datetime) -> float | None:
    """Seconds that Retry-After asks us to wait, whether it names seconds or a date.

    None without the header or when it makes no sense; 0 for a date that has passed. The value is
    the server's wish and unbounded: the caller keeps to its own deadline.
    """
    text = headers.get("retry-after", "").strip()
    if text.isascii() and text.isdecimal():
        return float(text[:9])
    at = parse_http_date(text) if text else None
    return None if at is None else max(0.0, (at - now).total_seconds())
