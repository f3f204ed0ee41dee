"""Values that are forgotten by themselves: challenges, links, pending logins."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Generic, TypeVar

from agentkeys.clock import Clock

__all__ = ["Expiring"]

V = TypeVar("V")
_LIMIT = 10_000


class Expiring(Generic[V]):
    """Values by key, each gone after `lifetime`; beyond ten thousand the oldest go first."""

    def __init__(self, *, lifetime: timedelta, clock: Clock) -> None:
        self._lifetime = lifetime
        self._clock = clock
        # Oldest first, because all live equally long and a key is only ever put once.
        self._entries: dict[str, tuple[datetime, V]] = {}

    def put(self, key: str, value: V) -> None:
        self._forget_old()
        self._entries[key] = (self._clock.now() + self._lifetime, value)

    def get(self, key: str) -> V | None:
        """The value, if it is still there."""
        entry = self._entries.get(key)
        return entry[1] if entry and self._clock.now() < entry[0] else None

    def replace(self, key: str, value: V) -> None:
        """Another value under a key that is still there, for the rest of its time."""
        if self.get(key) is not None:
            self._entries[key] = (self._entries[key][0], value)

    def take(self, key: str) -> V | None:
        """The value, if it is still there; it is not there any more after this."""
        value = self.get(key)
        self._entries.pop(key, None)
        return value

    def _forget_old(self) -> None:
        now = self._clock.now()
        while self._entries:
            key, (gone_at, _) = next(iter(self._entries.items()))
            if now < gone_at and len(self._entries) < _LIMIT:
                return
            del self._entries[key]
