"""Where the time comes from, so that a test can move it by hand."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Protocol

__all__ = ["Clock", "Sleep", "SystemClock", "format_utc", "parse_utc"]


Sleep = Callable[[float], Awaitable[None]]
"""Waits for so many seconds; `asyncio.sleep`, or a test's own."""


class Clock(Protocol):
    """Wall time for what others must agree on, monotonic time for what only we measure."""

    def now(self) -> datetime:
        """The wall time, aware, in UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds on a clock that is never set, and goes on while the machine sleeps."""
        ...


# Linux's CLOCK_MONOTONIC stands still in suspend; that of macOS does not.
_AWAKE_OR_NOT: int = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


class SystemClock:
    """The machine's own clocks."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.clock_gettime(_AWAKE_OR_NOT)


def format_utc(at: datetime) -> str:
    """`at` as `2030-01-02T03:04:05Z`, the one form that every AWS client takes.

    Fractions are cut off, never rounded up: an Expiration must not promise more than it holds.
    """
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def parse_utc(text: str) -> datetime:
    """An ISO 8601 time with a zone, with any number of fraction digits; ValueError otherwise."""
    whole, point, rest = text.partition(".")
    if point:
        digits = len(rest) - len(rest.lstrip("0123456789"))
        text = f"{whole}.{rest[:digits][:6]}{rest[digits:]}"
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError("a time without a zone")
    try:
        return at.astimezone(UTC)
    except OverflowError:
        raise ValueError("a time at the end of all years") from None
