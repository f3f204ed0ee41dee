"""How far back on the command line: a duration before now, or a time."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import click

from agentkeys.clock import SystemClock, parse_utc
from agentkeys.config.tables import parse_duration

__all__ = ["BadSince", "parse_since", "since_option"]


class BadSince(click.BadParameter):
    """Neither a duration nor a time."""

    hint = "write it as 2h, 90m or 7d, or as a time such as 2026-06-01T12:00:00Z"


def since_option(help: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:  # noqa: A002
    """`--since`, whose value becomes an aware datetime."""
    return click.option("--since", metavar="WHEN", callback=_read, help=help)


def _read(ctx: click.Context, option: click.Parameter, text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        return parse_since(text, now=SystemClock().now())
    except (ValueError, OverflowError):
        raise BadSince(f"{text[:60]!r} is neither a duration nor a time", ctx, option) from None


def parse_since(text: str, *, now: datetime) -> datetime:
    """From `2h` or `7d` before `now`, or ISO 8601, by local time where it names no zone.

    Raises ValueError, OverflowError.
    """
    try:
        back = _parse_back(text)
    except ValueError:
        return _parse_time(text)
    return max(now - back, _EARLIEST) if back < _LONGEST else _EARLIEST


def _parse_back(text: str) -> timedelta:
    days = _DAYS.fullmatch(text)
    return timedelta(days=int(days[1])) if days else parse_duration(text)


_DAYS = re.compile(r"([1-9][0-9]{0,5})d", re.ASCII)
_EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
_LONGEST = timedelta(days=36500)


def _parse_time(text: str) -> datetime:
    at = datetime.fromisoformat(text)
    return parse_utc(at.isoformat()) if at.tzinfo else at.astimezone(UTC)
