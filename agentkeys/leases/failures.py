"""What failed lately: so that a storm of callers makes one call and hears one message."""

from __future__ import annotations

import random
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from datetime import timedelta

from agentkeys.clock import Clock
from agentkeys.errors import AgentkeysError
from agentkeys.leases.schedule import retry_pause

__all__ = ["FailureMemory"]

LONGEST_WISH = timedelta(minutes=5)
"""A server that wants to be left alone for longer is asked again after this."""


@dataclass(frozen=True, slots=True)
class _Failure:
    problem: AgentkeysError
    until: float
    """On the monotonic clock: for those who can be served something else."""
    needed_until: float
    """For those who cannot."""
    in_a_row: int


class FailureMemory:
    """Remembers each failure for a while that grows with every further one."""

    def __init__(
        self,
        *,
        clock: Clock,
        draw: Callable[[], float] = random.random,
        limit: int | None = None,
    ) -> None:
        """Of more than `limit` failures the oldest go."""
        self._clock = clock
        self._draw = draw
        self._limit = limit
        self._failures: dict[Hashable, _Failure] = {}

    def remember(
        self,
        what: Hashable,
        problem: AgentkeysError,
        *,
        left: timedelta,
        at_least: timedelta = timedelta(0),
    ) -> None:
        """`left` is for how long there still is something to serve instead.

        `at_least` is how long it is not to be tried in any case.
        """
        before = self._failures.pop(what, None)
        in_a_row = before.in_a_row + 1 if before else 1
        draw = self._draw()
        wish = min(timedelta(seconds=problem.retry_after or 0), LONGEST_WISH)
        wish = max(wish, at_least) * (1 + draw / 4)
        pause = max(wish, retry_pause(left, in_a_row, draw))
        growing = max(wish, retry_pause(timedelta(0), in_a_row, draw))
        now = self._clock.monotonic()
        self._failures[what] = _Failure(
            problem,
            until=now + pause.total_seconds(),
            needed_until=now + min(pause, growing).total_seconds(),
            in_a_row=in_a_row,
        )
        if self._limit is not None and len(self._failures) > self._limit:
            del self._failures[next(iter(self._failures))]

    def recall(self, what: Hashable, *, needed: bool = False) -> AgentkeysError | None:
        """Why it is not to be tried now; None when it may be tried.

        `needed` is for a caller who cannot be served anything else, and so waits for less long.
        """
        failure = self._failures.get(what)
        if failure is None:
            return None
        until = failure.needed_until if needed else failure.until
        return failure.problem if until > self._clock.monotonic() else None

    def pause(self, what: Hashable) -> timedelta:
        """How long it is not to be tried; zero when it may be tried."""
        failure = self._failures.get(what)
        left = failure.until - self._clock.monotonic() if failure else 0.0
        return timedelta(seconds=max(0.0, left))

    def has_failed(self, what: Hashable) -> bool:
        """Whether the latest attempt failed, however long ago."""
        return what in self._failures

    def forget(self, what: Hashable) -> None:
        """It went well."""
        self._failures.pop(what, None)

    def forget_all(self) -> None:
        """Something has changed that may make all the difference."""
        self._failures.clear()
