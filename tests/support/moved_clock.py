"""A clock that only moves when a test moves it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from agentkeys.clock import SystemClock

# When the sample bodies are set.
SAMPLE_NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)


class MovedClock:
    """Stands still at `at` until `move`."""

    def __init__(self, at: datetime = SAMPLE_NOW) -> None:
        self._at = at
        self._seconds = 0.0

    def now(self) -> datetime:
        return self._at

    def monotonic(self) -> float:
        return self._seconds

    def move(self, by: timedelta) -> None:
        """Time passes, whether the machine sleeps or not."""
        self._at += by
        self._seconds += by.total_seconds()

    def set_wall(self, by: timedelta) -> None:
        """Somebody sets the wall clock; or, back to front, the monotonic one was not running."""
        self._at += by


class WrongClock(SystemClock):
    """Runs as the machine's own does, but `ahead` of it."""

    def __init__(self, ahead: timedelta) -> None:
        self._ahead = ahead

    def now(self) -> datetime:
        return super().now() + self._ahead
