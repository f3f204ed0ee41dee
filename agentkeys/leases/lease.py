"""A lease: temporary credentials, whom they are for, and what makes them different from others."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from enum import Enum
from functools import lru_cache

from agentkeys.models import TemporaryCredentials

__all__ = ["Freshness", "Lease", "LeaseKey", "assess", "refresh_at"]

SDK_WINDOW = timedelta(minutes=15)
"""Below this, SDKs of the botocore family ask again at every call."""

EARLY = timedelta(minutes=20)


@dataclass(frozen=True, slots=True)
class LeaseKey:
    """Everything that makes two credentials different; only equal keys share a lease.

    `confine` is part of it, so that tightening a profile's confinement never serves credentials
    that were minted before the tighter check.
    """

    identity: str
    source_url: str
    subject: str
    store: str
    sts_endpoint: str
    role_arn: str | None
    duration_seconds: int
    audience: str
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
    role_session_name: str
    subject: str
    """The token's `sub`."""
    claims: Mapping[str, str] = field(repr=False)
    """The token's top-level claims that are strings: what prefixes are made of."""
    sts_request_id: str | None = None

    @property
    def lifetime(self) -> timedelta:
        """What the store really gave, whatever was asked."""
        return self.credentials.expires_at - self.minted_at


class Freshness(Enum):
    """What to do with a lease that somebody asks for."""

    FRESH = "fresh"
    EARLY = "early"
    """Serve it, and mint the next one meanwhile."""
    DYING = "dying"
    """Mint first; serve it only if that fails."""
    OVER = "over"


def assess(lease: Lease, now: datetime) -> Freshness:
    """How `lease` stands at `now`.

    What is served keeps more than the SDKs' window whenever the store's session is long enough for
    that, which is 20 minutes; of a shorter session it keeps more than a quarter.
    """
    remaining = lease.credentials.remaining(now)
    if remaining <= timedelta(0):
        return Freshness.OVER
    if remaining <= _dying(lease):
        return Freshness.DYING
    return Freshness.FRESH if now < refresh_at(lease) else Freshness.EARLY


def refresh_at(lease: Lease) -> datetime:
    """From when on a request for `lease` has the next one minted."""
    return lease.credentials.expires_at - min(EARLY, (lease.lifetime + _dying(lease)) / 2)


def _dying(lease: Lease) -> timedelta:
    # A session barely longer than the window would be minted anew at almost every request.
    return SDK_WINDOW if lease.lifetime >= EARLY else lease.lifetime / 4
