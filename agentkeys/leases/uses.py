"""Who may still be working with what was handed out."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime

from agentkeys.clock import Clock
from agentkeys.leases.lease import Lease

__all__ = ["Uses"]


@dataclass(frozen=True, slots=True)
class _Use:
    until: float
    """On the monotonic clock."""
    expires_at: datetime


class Uses:
    """Remembers until when the credentials last handed out for a lease key are good.

    A program that got some comes back before they end. Once they have ended and nobody came,
    nobody uses them any more, and there is no need to mint the next ones.
    """

    def __init__(self, *, clock: Clock) -> None:
        self._clock = clock
        self._uses: dict[str, _Use] = {}

    def __iter__(self) -> Iterator[str]:
        """The digests under which anything was handed out."""
        return iter(self._uses)

    def note(self, digest: str, lease: Lease) -> None:
        """Somebody has got `lease`."""
        if digest not in self._uses:
            self._prune()
        self._uses[digest] = _Use(lease.deadline, lease.credentials.expires_at)

    def _prune(self) -> None:
        """Every run with a lease of its own leaves a digest behind that nobody asks for again."""
        now = self._clock.monotonic()
        self._uses = {digest: use for digest, use in self._uses.items() if use.until > now}

    def adopt(self, digest: str, lease: Lease) -> None:
        """One that an earlier daemon has left behind counts as handed out by that one."""
        if digest not in self._uses:
            self.note(digest, lease)

    def is_used(self, digest: str, lease: Lease) -> bool:
        """Whether `lease`, held under `digest`, is to be kept fresh."""
        self.adopt(digest, lease)
        return self._uses[digest].until > self._clock.monotonic()

    def last_until(self, digests: Collection[str] | None = None) -> datetime | None:
        """When the last of what was handed out ends, under those digests or any; None if it has."""
        now = self._clock.monotonic()
        living = [
            use.expires_at
            for digest, use in self._uses.items()
            if use.until > now and (digests is None or digest in digests)
        ]
        return max(living, default=None)
