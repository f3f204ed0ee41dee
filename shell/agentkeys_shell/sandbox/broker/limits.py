"""Rate limits as the brokers apply them: so many in each clock hour or clock minute."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

from agentkeys.clock import Clock
from agentkeys_shell.sandbox.broker.web import Refused

__all__ = ["RateLimit"]


class RateLimit:
    """At most `limit` per key in each window of the clock; all counts start anew with a window."""

    def __init__(self, limit: int, *, window: timedelta, what: str, clock: Clock) -> None:
        self._limit = limit
        self._seconds = int(window.total_seconds())
        self._what = what
        self._clock = clock
        self._window = 0
        self._counts: Counter[str] = Counter()

    def count(self, key: str) -> None:
        """One more for `key`; Refused (`bad_request`, with the seconds to wait) if too many."""
        now = int(self._clock.now().timestamp())
        if now // self._seconds != self._window:
            self._window = now // self._seconds
            self._counts.clear()
        self._counts[key] += 1
        if self._counts[key] > self._limit:
            wait = self._seconds - now % self._seconds
            raise Refused("bad_request", f"rate limited: too many {self._what}; retry in {wait}s")
