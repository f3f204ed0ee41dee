"""What a person is told although nothing has failed, and how often."""

from __future__ import annotations

from datetime import timedelta

import pytest

from agentkeys_daemon.notices import Notice, ToldOnce, short_session
from tests.support.profiles import a_lease, a_profile


def test_news_is_news_once() -> None:
    """For each kind and each profile; other words for the same are no news."""
    told = ToldOnce()
    assert told.is_news(Notice("short_session", "data", "16m only", "raise it"))
    assert not told.is_news(Notice("short_session", "data", "15m only", "raise it"))
    assert told.is_news(Notice("short_session", "other", "16m only", "raise it"))
    assert told.is_news(Notice("clock_skew", "data", "6h behind", "set it"))


@pytest.mark.parametrize(("minutes", "is_told"), [(15, True), (19, True), (20, False), (60, False)])
def test_sessions_are_short_below_twenty_minutes(minutes: int, is_told: bool) -> None:
    """From there on, what is served keeps more than the SDKs' window."""
    lease = a_lease(lifetime=timedelta(minutes=minutes))
    assert (short_session(a_profile(), lease) is not None) is is_told


def test_without_a_lease_nothing_is_known() -> None:
    """What a store gives shows when it gives."""
    assert short_session(a_profile(), None) is None


@pytest.mark.parametrize(
    ("duration", "hint"),
    [
        (timedelta(minutes=15), "raise the role's longest session and the profile's duration"),
        (timedelta(hours=1), "raise the longest session of the role or store"),
    ],
)
def test_the_hint_names_what_is_too_short(duration: timedelta, hint: str) -> None:
    """The profile's own duration only where that is part of it."""
    notice = short_session(a_profile(duration=duration), a_lease(lifetime=timedelta(minutes=15)))
    assert notice
    assert notice.hint == f"{hint} to 20m or more"
