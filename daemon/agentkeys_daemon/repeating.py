"""The same answer to asks that come close together.

Some clients read access key, secret and token one after the other, and ask anew for each of them.
Parts of two leases sign no request, so that a lease that was renewed in between has to wait.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from datetime import timedelta

from agentkeys.claims import WALLET_CLAIM
from agentkeys.clock import Clock
from agentkeys.leases import Lease
from agentkeys.leases.schedule import dying_below

__all__ = ["Repeats"]

CLOSE_SECONDS = 5.0
"""Asks that are further apart belong to different readings."""
LONGEST_SECONDS = 30.0
"""How long a lease is repeated after an asker could have had a newer one."""
READING_SECONDS = 0.3
"""Asks that are no further apart are one reading, which is not torn for a lease that is dying."""
LEAST = timedelta(seconds=1)
"""What has less left is not given again."""
MOST_ASKERS = 4096


@dataclass(slots=True)
class _Given:
    """What an asker was answered last; times are on the monotonic clock, in seconds."""

    lease: Lease
    asked_at: float
    outdated_at: float | None = None
    """When there first was a newer one for this asker."""


class Repeats:
    """Remembers for a few seconds which lease each asker was given.

    An asker is whatever tells readings apart: a run, or the process whose children ask. Nothing is
    kept for longer than asks can still be close, but by those who ask next.
    """

    def __init__(self, *, clock: Clock) -> None:
        self._clock = clock
        self._given: dict[Hashable, _Given] = {}
        """By asker; who has asked last comes last."""

    def answer(self, asker: Hashable, newest: Lease) -> Lease:
        """`newest`, or the lease that `asker` was given a moment ago and that still is as good.

        That is one of the same user. Close are asks within 5 s of each other, and less and less as
        the time comes when the older lease has to go: that then happens in the longest pause that
        an asker who never stops has made, rather than in the midst of a reading.
        """
        now = self._clock.monotonic()
        self._drop_old(now)
        given = self._given.pop(asker, None)
        if given is None or not self._is_repeated(given, newest, now):
            given = _Given(newest, asked_at=now)
        given.asked_at = now
        self._given[asker] = given
        return given.lease

    def drop(self, asker: Hashable) -> None:
        """Forgets one who will not ask again."""
        self._given.pop(asker, None)

    def clear(self) -> None:
        """Something was forgotten, or somebody else is logged in: nothing older is given again."""
        self._given.clear()

    def __len__(self) -> int:
        return len(self._given)

    def _is_repeated(self, given: _Given, newest: Lease, now: float) -> bool:
        if given.lease == newest:
            return True
        if _user_of(given.lease) != _user_of(newest):
            return False
        if given.outdated_at is None:
            given.outdated_at = now
        is_long_since = now - given.outdated_at >= LONGEST_SECONDS
        if is_long_since or given.lease.remaining(self._clock) < LEAST:
            return False
        left = min(given.outdated_at + LONGEST_SECONDS - now, self._good_for(given.lease))
        close = CLOSE_SECONDS * min(1.0, left / LONGEST_SECONDS)
        return now - given.asked_at < max(close, READING_SECONDS)

    def _good_for(self, lease: Lease) -> float:
        """Seconds until it is dying."""
        return (lease.remaining(self._clock) - dying_below(lease.lifetime)).total_seconds()

    def _drop_old(self, now: float) -> None:
        while self._given:
            asker, given = next(iter(self._given.items()))
            if now - given.asked_at < CLOSE_SECONDS and len(self._given) < MOST_ASKERS:
                return
            del self._given[asker]


def _user_of(lease: Lease) -> tuple[str | None, ...]:
    # Two issuers may each have a user of the same name.
    return lease.claims.get("iss"), lease.subject, lease.claims.get(WALLET_CLAIM)
