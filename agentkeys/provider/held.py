"""The credentials that are held, so and so many at most."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import datetime

from agentkeys.clock import Clock
from agentkeys.leases import Freshness, Lease, assess
from agentkeys.served import ServedCredentials

__all__ = ["HeldCredential", "HeldCredentials"]


@dataclass(frozen=True, slots=True)
class HeldCredential:
    """What came of one token and one profile."""

    lease: Lease
    served: ServedCredentials
    token_expires_at: datetime
    _fresh_until: datetime = field(init=False, compare=False)
    """By our own clocks, both of them: every warm call looks, and must not calculate."""
    _fresh_deadline: float = field(init=False, compare=False)

    def __post_init__(self) -> None:
        lease = self.lease
        left_then = (lease.credentials.expires_at - lease.refresh_at).total_seconds()
        fresh_until = min(lease.refresh_at, self.token_expires_at) - lease.skew
        object.__setattr__(self, "_fresh_until", fresh_until)
        object.__setattr__(self, "_fresh_deadline", lease.deadline - left_then)

    def is_fresh(self, clock: Clock) -> bool:
        """Whether there is nothing to do but to serve it."""
        return clock.monotonic() < self._fresh_deadline and clock.now() < self._fresh_until

    def freshness(self, clock: Clock) -> Freshness:
        """How it stands now; over with the token too: one that is found in a log buys nothing."""
        if self.token_expires_at <= clock.now() + self.lease.skew:
            return Freshness.OVER
        return assess(self.lease, clock)


class HeldCredentials:
    """Each by its key, of which the least recently used goes when there are too many.

    May be used by many threads.
    """

    def __init__(self, *, limit: int, clock: Clock) -> None:
        self._limit = limit
        self._clock = clock
        self._lock = threading.Lock()
        self._held: OrderedDict[bytes, HeldCredential] = OrderedDict()
        self._keys: dict[str, bytes] = {}
        """By access key id."""

    def __len__(self) -> int:
        return len(self._held)

    def get(self, key: bytes) -> HeldCredential | None:
        """What is held, in whatever state; it counts as used."""
        with self._lock:
            found = self._held.get(key)
            if found is not None:
                self._held.move_to_end(key)
            return found

    def keep(self, key: bytes, credential: HeldCredential) -> None:
        """Takes the place of what was held under that key."""
        with self._lock:
            self._drop(key)
            self._held[key] = credential
            self._keys[credential.lease.credentials.access_key_id] = key
            while len(self._held) > self._limit or self._is_oldest_over():
                self._drop(next(iter(self._held)))

    def drop(self, access_key_id: str) -> bool:
        """Whether anything was held with that access key."""
        with self._lock:
            key = self._keys.get(access_key_id)
            if key is not None:
                self._drop(key)
            return key is not None

    def clear(self) -> None:
        with self._lock:
            self._held.clear()
            self._keys.clear()

    def _drop(self, key: bytes) -> None:
        found = self._held.pop(key, None)
        if found is None:
            return
        access_key_id = found.lease.credentials.access_key_id
        if self._keys.get(access_key_id) == key:
            del self._keys[access_key_id]

    def _is_oldest_over(self) -> bool:
        # Nobody asks with a token that is over, so that these collect at the old end.
        oldest = next(iter(self._held.values()), None)
        return oldest is not None and oldest.freshness(self._clock) is Freshness.OVER
