"""How far other machines' clocks are from ours, as their latest answers told."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

from agentkeys.clock import Clock

__all__ = ["MATTERS", "NOISE", "ServerTimes"]

NOISE = timedelta(seconds=5)
"""Less than this is the network and the whole seconds of a Date header, and counts as none."""

MATTERS = timedelta(minutes=1)
"""From here on people are told: tokens and signatures have little more tolerance."""


EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
ABSURD = timedelta(days=1000)
"""A clock this far off is a broken header and tells nothing."""


@dataclass(frozen=True, slots=True)
class _Told:
    skew: timedelta
    set_to: timedelta
    """How far our wall clock was ahead of our monotonic one, which nobody sets."""


class ServerTimes:
    """The skew of each server that has answered; positive when it is ahead of us.

    What a server has told stays true when our own clock is set.
    """

    def __init__(self, *, clock: Clock) -> None:
        self._clock = clock
        self._told: dict[str, _Told] = {}

    def observe(self, url: str, skew: timedelta | None) -> None:
        """Remembers what an answer of `url` told; an answer without a Date tells nothing."""
        if skew is not None and abs(skew) < ABSURD:
            self._told[_origin(url)] = _Told(skew, self._set_to())

    def skew(self, url: str | None) -> timedelta | None:
        """None where the server has not told yet, or where there is none."""
        told = url and self._told.get(_origin(url))
        if not told:
            return None
        skew = told.skew - (self._set_to() - told.set_to)
        return skew if abs(skew) >= NOISE else timedelta(0)

    def now(self, url: str | None) -> datetime:
        """The time there, as far as it is known."""
        return self._clock.now() + (self.skew(url) or timedelta(0))

    def _set_to(self) -> timedelta:
        return self._clock.now() - EPOCH - timedelta(seconds=self._clock.monotonic())


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}".lower()
