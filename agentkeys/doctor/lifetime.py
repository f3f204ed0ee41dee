"""How long a session lasts, against what was asked and what SDKs are comfortable with."""

from __future__ import annotations

from datetime import timedelta

from agentkeys.doctor.finding import Finding, ok, warning
from agentkeys.leases import SHORTEST
from agentkeys.leases.schedule import SDK_WINDOW

__all__ = ["examine_lifetime"]

MANDATORY_WINDOW = timedelta(minutes=10)
"""Below this, SDKs of the botocore family hold up every call for new credentials."""

ROUNDING = timedelta(seconds=30)
"""Stores round to seconds, and the call itself takes some."""


def examine_lifetime(got: timedelta, asked: timedelta) -> Finding:
    """`got` is what the store gave when `asked` was asked for."""
    facts = {
        "asked_seconds": int(asked.total_seconds()),
        "got_seconds": round(got.total_seconds()),
        "advisory_seconds": int(SDK_WINDOW.total_seconds()),
        "mandatory_seconds": int(MANDATORY_WINDOW.total_seconds()),
    }
    raise_it = (
        f"raise the longest session of the role or store to {_words(SHORTEST)} or more"
        if asked >= SHORTEST
        else f"raise duration, and the role's longest session, to {_words(SHORTEST)} or more"
    )
    if got <= MANDATORY_WINDOW:
        return warning(
            "lifetime",
            "session_below_mandatory",
            f"sessions last {_words(got)}: AWS SDKs block every call on a refresh from"
            f" {_words(MANDATORY_WINDOW)} before the end",
            raise_it,
            **facts,
        )
    if got < SHORTEST - ROUNDING:
        return warning(
            "lifetime",
            "session_short",
            f"sessions last {_words(got)}: AWS SDKs ask again at every call from"
            f" {_words(SDK_WINDOW)} before the end",
            raise_it,
            **facts,
        )
    if got < asked - ROUNDING:
        return warning(
            "lifetime",
            "session_clamped",
            f"{_words(asked)} were asked for, and the store gives {_words(got)} without a word",
            f"set duration to {_words(got)}, or raise the longest session of the role or store",
            **facts,
        )
    return ok("lifetime", f"sessions last {_words(got)}, as asked", **facts)


def _words(span: timedelta) -> str:
    seconds = round(span.total_seconds())
    if seconds < 120:
        return f"{seconds} s"
    return f"{round(seconds / 60)} min"
