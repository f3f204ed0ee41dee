"""A lease: temporary credentials, whom they are for, and what makes them different from others.

Its times of day are those of the store's clock, which decides how long it lives. Ours may be off,
may be set, and may stand still while the machine sleeps, so that two clocks watch over every lease:
the wall clock, corrected by what the store's `Date` told, and a monotonic deadline.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from enum import Enum
from functools import lru_cache

from agentkeys.clock import Clock
from agentkeys.leases.schedule import dying_below
from agentkeys.models import TemporaryCredentials, TokenUser

__all__ = ["Freshness", "Lease", "LeaseKey", "assess"]


@dataclass(frozen=True, slots=True)
class LeaseKey:
    """Everything that makes two credentials different; only equal keys share a lease.

    `confine` is part of it, so that tightening a profile's confinement never serves credentials
    that were minted before the tighter check.
    """

    identity: str
    origin: str
    """Of the identity: its source, and how that is configured."""
    subject: str
    store: str
    sts_endpoint: str
    role_arn: str | None
    duration_seconds: int
    audience: str | None
    confine: str
    policy: str | None = None
    run_id: str | None = None
    """None for a lease that all runs of a profile share."""

    def digest(self) -> str:
        """A name for the key that is stable across restarts."""
        return _digest(self)


@lru_cache(maxsize=4096)
def _digest(key: LeaseKey) -> str:
    canonical = json.dumps(asdict(key), sort_keys=True)
    return hashlib.sha256(canonical.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Lease:
    """Credentials with the facts that they were minted under."""

    credentials: TemporaryCredentials
    minted_at: datetime
    """By the store's clock, as `credentials.expires_at` and `refresh_at` are."""
    refresh_at: datetime
    """From when on the next one is minted."""
    skew: timedelta
    """How far the store's clock was ahead of ours at the mint."""
    deadline: float = field(compare=False)
    """When it is over, on this process's monotonic clock."""
    role_session_name: str
    subject: str
    """The token's `sub`."""
    claims: Mapping[str, str] = field(repr=False)
    """The token's top-level claims that are strings: what prefixes are made of."""
    sts_request_id: str | None = None
    policy_hash: str | None = None
    """Of the inline session policy that it was minted with, None without one."""
    run_id: str | None = None
    """Whose own it is; None for one that is shared."""

    @property
    def user(self) -> TokenUser:
        """Whom the token named."""
        return TokenUser(self.claims.get("iss", ""), self.subject)

    @property
    def lifetime(self) -> timedelta:
        """What the store really gave, whatever was asked."""
        return self.credentials.expires_at - self.minted_at

    def remaining(self, clock: Clock) -> timedelta:
        """How long it is good for by the clock that gives it less; negative once it is over.

        A wall clock that was set back, or a monotonic one that slept, would give it too much.
        """
        by_wall = self.credentials.expires_at - (clock.now() + self.skew)
        return min(by_wall, timedelta(seconds=self.deadline - clock.monotonic()))

    def refresh_in(self, clock: Clock) -> timedelta:
        """How long until the next one is to be minted; negative once that is due."""
        return self.remaining(clock) - (self.credentials.expires_at - self.refresh_at)


class Freshness(Enum):
    """What to do with a lease that somebody asks for."""

    FRESH = "fresh"
    EARLY = "early"
    """Serve it, and mint the next one meanwhile."""
    DYING = "dying"
    """Mint first; serve it only if that fails."""
    OVER = "over"


def assess(lease: Lease, clock: Clock) -> Freshness:
    """How `lease` stands now."""
    remaining = lease.remaining(clock)
    if remaining <= timedelta(0):
        return Freshness.OVER
    if remaining <= dying_below(lease.lifetime):
        return Freshness.DYING
    return Freshness.FRESH if lease.refresh_in(clock) > timedelta(0) else Freshness.EARLY
