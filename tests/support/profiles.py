"""Profiles and leases as the library makes them, for tests that need one at hand."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from agentkeys.config import BrokerIdentity, Profile, Store
from agentkeys.leases import Lease
from agentkeys.leases.schedule import next_refresh
from agentkeys.models import Confinement, RoleArn, TemporaryCredentials
from agentkeys.secret import Secret
from agentkeys.stores import SEAWEEDFS
from tests.support.moved_clock import SAMPLE_NOW
from tests.support.tokens import ALICE, AUDIENCE, ISSUER, User, web_identity_claims

__all__ = ["IDENTITY", "PROFILE", "STORE", "STS_ENDPOINT", "a_lease", "a_profile"]

STS_ENDPOINT = "http://127.0.0.1:18333"
IDENTITY = BrokerIdentity("me", ISSUER, AUDIENCE, None)
STORE = Store("lab", SEAWEEDFS, STS_ENDPOINT, "http://127.0.0.1:18334", None)
PROFILE = Profile(
    name="data",
    identity=IDENTITY,
    store=STORE,
    role_arn=RoleArn("arn:aws:iam::000000000001:role/data"),
    region=None,
    duration=timedelta(hours=1),
    bucket="agentkeys",
    prefix="bots/{wallet}/",
    confine=Confinement("claim", "agentkeys_user_wallet"),
    expect_wallet=None,
    expect_subject=None,
)


def a_profile(**changes: Any) -> Profile:
    """The profile `data`, but for `changes`."""
    return replace(PROFILE, **changes)


def a_lease(
    user: User = ALICE,
    *,
    minted_at: datetime = SAMPLE_NOW,
    lifetime: timedelta = timedelta(hours=1),
    number: int = 1,
) -> Lease:
    """A lease of `user`, for a MovedClock; `number` makes it different from others."""
    claims = web_identity_claims(user, at=minted_at)
    return Lease(
        credentials=TemporaryCredentials(
            access_key_id=f"ASIA{number:016d}",
            secret_access_key=Secret(f"secret-{number}"),
            session_token=Secret(f"session-{number}"),
            expires_at=minted_at + lifetime,
        ),
        minted_at=minted_at,
        refresh_at=minted_at + next_refresh(lifetime, 0.5),
        skew=timedelta(0),
        deadline=(minted_at + lifetime - SAMPLE_NOW).total_seconds(),
        role_session_name=f"agentkeys-{user.subject[:24]}-{int(minted_at.timestamp())}",
        subject=claims["sub"],
        claims={name: value for name, value in claims.items() if isinstance(value, str)},
        sts_request_id=f"request-{number}",
    )
