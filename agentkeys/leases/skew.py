"""Whose clock counts for a lease: the store's, as far as what it tells can be believed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from agentkeys.models import AssumedRole, WebIdentityToken
from agentkeys.server_times import MATTERS, NOISE

__all__ = ["believed_skew"]

TOKEN_AGE = timedelta(minutes=10)
"""Tokens are issued for minutes, and backdated by some."""


def believed_skew(
    role: AssumedRole, token: WebIdentityToken, asked: timedelta, now: datetime
) -> timedelta:
    """How far the store's clock is ahead of ours, where something else agrees with its Date.

    The Date may be that of a proxy whose clock is wrong. One that makes the lease shorter is
    believed unless the Expiration contradicts it; one that makes it longer only where our clock
    cannot be right, or is as wrong for whoever made the token.
    """
    told = role.skew or timedelta(0)
    if abs(told) < NOISE:
        return timedelta(0)
    left = role.credentials.expires_at - now
    if told > timedelta(0):
        return told if left > told or left > asked + MATTERS else timedelta(0)
    is_shared = abs(_issuers_skew(token, now) - told) < TOKEN_AGE
    return told if left <= timedelta(0) or is_shared else timedelta(0)


def _issuers_skew(token: WebIdentityToken, now: datetime) -> timedelta:
    """How far the clock of a fresh token's issuer is ahead of ours; zero where it does not tell."""
    issued_at = token.claims.get("iat")
    if isinstance(issued_at, bool) or not isinstance(issued_at, int | float):
        return timedelta(0)
    try:
        return datetime.fromtimestamp(issued_at, UTC) - now
    except (OverflowError, OSError, ValueError):
        return timedelta(0)
