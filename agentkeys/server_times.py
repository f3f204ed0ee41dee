"""How far other machines' clocks are from ours, as their latest answers told."""

from __future__ import annotations

from datetime import datetime, timedelta
from urllib.parse import urlsplit

from agentkeys.clock import Clock

__all__ = ["MATTERS", "NOISE", "ServerTimes"]

NOISE = timedelta(seconds=5)
"""Less than this is the network and the whole seconds of a Date header, and counts as none."""

MATTERS = timedelta(minutes=1)
"""From here on people are told: tokens and signatures have little more tolerance."""


ABSURD = timedelta(days=1000)
"""A clock this far off is a broken header and tells nothing."""


class ServerTimes:
    """The skew of each server that has answered; positive when it is ahead of us."""

    def __init__(self, *, clock: Clock) -> None:
        self._clock = clock
        self._skews: dict[str, timedelta] = {}

    def observe(self, url: str, skew: timedelta | None) -> None:
        """Remembers what an answer of `url` told; an answer without a Date tells nothing."""
        if skew is not None and abs(skew) < ABSURD:
            self._skews[_origin(url)] = skew if abs(skew) >= NOISE else timedelta(0)

    def skew(self, url: str) -> timedelta | None:
        """None where the server has not told yet."""
        return self._skews.get(_origin(url))

    def now(self, url: str) -> datetime:
        """The time there, as far as it is known."""
        return self._clock.now() + self._skews.get(_origin(url), timedelta(0))


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}".lower()
