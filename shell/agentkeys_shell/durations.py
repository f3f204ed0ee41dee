"""Durations on the command line: read as the configuration has them, told to people."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import click

from agentkeys.config.tables import parse_duration

__all__ = ["duration_option", "in_words"]

LONGEST = timedelta(days=1000)
"""No lease lasts that long, and the daemon takes no more."""

Option = Callable[[Callable[..., Any]], Callable[..., Any]]


class BadDuration(click.BadParameter):
    """Not a duration, or one that is far too long."""

    hint = "write it as 20m, 1h, 1h30m or 900s"


def duration_option(name: str, *, required: bool = False, help: str) -> Option:  # noqa: A002
    """A click option whose value, such as `1h30m`, becomes a timedelta above zero."""
    return click.option(name, metavar="DURATION", required=required, callback=_read, help=help)


def _read(ctx: click.Context, option: click.Parameter, text: str | None) -> timedelta | None:
    if text is None:
        return None
    try:
        duration = parse_duration(text)
    except (ValueError, OverflowError):
        raise BadDuration(f"{text!r} is not a duration", ctx, option) from None
    if duration > LONGEST:
        raise BadDuration(f"{text!r} is longer than {LONGEST.days} days", ctx, option)
    return duration


def in_words(span: timedelta, *, exact: bool = False) -> str:
    """`4h 59m`, `58m`, `12s`; where it is to be `exact`, `58m 12s` and `1h 0m 5s`.

    What is left over is cut off, never rounded up.
    """
    minutes, seconds = divmod(int(span.total_seconds()), 60)
    hours, minutes = divmod(minutes, 60)
    parts = [f"{hours}h"] if hours else []
    parts += [f"{minutes}m"] if minutes or (hours and (seconds or not exact)) else []
    parts += [f"{seconds}s"] if not parts or (seconds and exact) else []
    return " ".join(parts)
