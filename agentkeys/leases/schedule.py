"""When a lease is refreshed: pure functions of how long it lives, what is left, and one draw.

A draw is a number from 0 up to 1; every function gives what it would for that throw of the dice.
Times are ages of the lease or durations, never times of day.

Daemons that start in the same second must not ask a broker in the same second ever after. So the
first refresh of a lease falls anywhere in its early life, distributed as in a fleet that has been
running for long (the equilibrium of the renewal process whose intervals `next_refresh` draws); from
then on a fleet is in balance, and each daemon goes on at its own pace, late in each lease's life.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from math import sqrt

__all__ = [
    "SDK_WINDOW",
    "SHORTEST",
    "Plan",
    "dying_below",
    "first_refresh",
    "latest_refresh",
    "next_refresh",
    "refresh_after_failure",
    "retry_pause",
]

Plan = Callable[[timedelta, float], timedelta]
"""From a lifetime and a draw to the age at which such a lease is refreshed."""

SDK_WINDOW = timedelta(minutes=15)
"""Below this, SDKs of the botocore family ask again at every call."""

SHORTEST = timedelta(minutes=20)
"""The shortest session of which what is served can keep more than the SDKs' window.

One barely longer than the window would be minted anew every minute.
"""

MARGIN = timedelta(minutes=1)
"""How much earlier than needed a refresh is due: looking and minting take their time as well."""

EARLIEST_PART = 0.6
"""How far towards the latest moment a refresh waits at least, once a fleet is in balance.

A narrower spread costs the broker a little less, and lets the echo of an outage go on for hours.
"""

SHORTEST_PAUSE = timedelta(seconds=1)
LONGEST_PAUSE = timedelta(seconds=30)
"""Between attempts while somebody waits and nothing is held."""

LONGEST_LEFT = timedelta(minutes=20)
"""Of a lease with more left than this, attempts are as far apart as of this much."""


def dying_below(lifetime: timedelta) -> timedelta:
    """With this much left, or less, a request waits for the next lease for a moment."""
    return SDK_WINDOW if lifetime >= SHORTEST else lifetime / 4


def latest_refresh(lifetime: timedelta) -> timedelta:
    """The age by which a lease has to be refreshed: 44 minutes of an hour."""
    dying_at = lifetime - dying_below(lifetime)
    return dying_at - min(MARGIN, dying_at / 8)


def next_refresh(lifetime: timedelta, draw: float) -> timedelta:
    """The age at which a lease that was minted on schedule is refreshed: 26 to 44 of 60 minutes."""
    latest = latest_refresh(lifetime)
    return latest * (EARLIEST_PART + (1 - EARLIEST_PART) * draw)


def first_refresh(lifetime: timedelta, draw: float) -> timedelta:
    """The age at which any other lease is refreshed: 0 to 44 of 60 minutes.

    That is a lease minted because somebody asked, or too late: at a moment that it may share with a
    whole fleet.
    """
    latest = latest_refresh(lifetime)
    mean = (1 + EARLIEST_PART) / 2
    if draw <= EARLIEST_PART / mean:
        return latest * mean * draw
    # The distribution's thin end, inverted: intervals longer than the shortest get rarer.
    return latest * (1 - sqrt(2 * mean * (1 - EARLIEST_PART) * (1 - draw)))


def refresh_after_failure(lifetime: timedelta, draw: float) -> timedelta:
    """The age at which a lease is refreshed that was minted after failures: 13 to 44 minutes.

    A whole fleet may have been waiting for it. Those that come back in the same minutes are spread
    over a life again, but not over the minutes in which the others are still coming back.
    """
    return latest_refresh(lifetime) * (0.3 + 0.7 * draw)


def retry_pause(left: timedelta, failures: int, draw: float) -> timedelta:
    """How long to leave broker and store alone after the latest of `failures` failures in a row.

    A part of what is left of the lease, up to a half and to ten minutes, so that a fleet comes back
    from an outage over minutes and not in one second. Where nothing is left, 2 s growing to 30 s;
    but what is left now is never slept away.
    """
    growing = min(LONGEST_PAUSE, timedelta(seconds=2 ** min(failures, 8))) * (0.75 + 0.25 * draw)
    if not left:
        return growing
    spread = min(left, LONGEST_LEFT) * (0.15 + 0.35 * draw)
    return min(max(growing, spread), max(left, SHORTEST_PAUSE))
