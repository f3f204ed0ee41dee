"""When a lease is served, when it is renewed ahead of need, and what sets it apart from others."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentkeys.leases import Freshness, Lease, LeaseKey, assess, refresh_at
from tests.support.moved_clock import SAMPLE_NOW
from tests.support.profiles import a_lease

SDK_WINDOW = timedelta(minutes=15)
"""Below this SDKs ask again at every call."""

LIFETIMES = st.timedeltas(timedelta(seconds=1), timedelta(hours=12))
AGES = st.timedeltas(timedelta(0), timedelta(hours=13))


def living(lifetime: timedelta) -> Lease:
    return a_lease(minted_at=SAMPLE_NOW, lifetime=lifetime)


@pytest.mark.parametrize(
    ("lifetime", "minutes_left", "expected"),
    [
        pytest.param(60, 60, Freshness.FRESH, id="new"),
        pytest.param(60, 20.01, Freshness.FRESH, id="just fresh"),
        pytest.param(60, 20, Freshness.EARLY, id="time for the next one"),
        pytest.param(60, 15.01, Freshness.EARLY, id="just outside of the SDKs' window"),
        pytest.param(60, 15, Freshness.DYING, id="in the SDKs' window"),
        pytest.param(60, 0.01, Freshness.DYING, id="nearly over"),
        pytest.param(60, 0, Freshness.OVER, id="over to the moment"),
        pytest.param(60, -5, Freshness.OVER, id="long over"),
        pytest.param(720, 20.01, Freshness.FRESH, id="twelve hours"),
        pytest.param(30, 16, Freshness.EARLY, id="half an hour"),
        pytest.param(30, 15, Freshness.DYING, id="half an hour, in the window"),
        pytest.param(20, 15.01, Freshness.EARLY, id="the shortest that keeps out of the window"),
        pytest.param(15, 15, Freshness.FRESH, id="no longer than the window"),
        pytest.param(15, 3.75, Freshness.DYING, id="a quarter of a short one"),
        pytest.param(0.1, 0.02, Freshness.DYING, id="six seconds, as some stores give"),
    ],
)
def test_how_a_lease_stands(lifetime: float, minutes_left: float, expected: Freshness) -> None:
    """By what is left of it, and by how long it was to begin with."""
    lease = living(timedelta(minutes=lifetime))
    now = lease.credentials.expires_at - timedelta(minutes=minutes_left)
    assert assess(lease, now) is expected


@given(LIFETIMES, AGES)
def test_what_is_served_keeps_more_than_the_sdks_window(
    lifetime: timedelta, age: timedelta
) -> None:
    """Wherever the store's session is long enough for that; else more than a quarter of it."""
    lease = living(lifetime)
    now = SAMPLE_NOW + age
    if assess(lease, now) in (Freshness.FRESH, Freshness.EARLY):
        left = lease.credentials.remaining(now)
        assert left > timedelta(0)
        assert left > (SDK_WINDOW if lifetime >= timedelta(minutes=20) else lifetime / 4)


@given(LIFETIMES)
def test_a_new_lease_is_fresh(lifetime: timedelta) -> None:
    """Or two programs in a row would mint twice."""
    assert assess(living(lifetime), SAMPLE_NOW) is Freshness.FRESH


@given(LIFETIMES)
def test_the_next_one_is_begun_before_it_is_needed(lifetime: timedelta) -> None:
    """Of every lifetime some part is left in which a request does not have to wait for the mint."""
    lease = living(lifetime)
    at = refresh_at(lease)
    assert SAMPLE_NOW < at < lease.credentials.expires_at
    assert assess(lease, at) is Freshness.EARLY
    assert assess(lease, at - timedelta(microseconds=2)) is Freshness.FRESH


@given(LIFETIMES, AGES, AGES)
def test_a_lease_only_grows_older(lifetime: timedelta, age: timedelta, later: timedelta) -> None:
    """Fresh, early, dying, over: in this order."""
    order = list(Freshness)
    lease = living(lifetime)
    first, second = (order.index(assess(lease, SAMPLE_NOW + at)) for at in sorted((age, later)))
    assert first <= second


@given(AGES)
def test_over_means_expired_and_nothing_else(age: timedelta) -> None:
    """What is still valid can be served while everything else is down."""
    lease = living(timedelta(hours=1))
    over = assess(lease, SAMPLE_NOW + age) is Freshness.OVER
    assert over == (SAMPLE_NOW + age >= lease.credentials.expires_at)


def test_the_lifetime_is_what_the_store_gave() -> None:
    """Whatever was asked."""
    assert living(timedelta(minutes=7)).lifetime == timedelta(minutes=7)


KEY = LeaseKey(
    identity="me",
    source_url="https://broker.example.com",
    subject="0xab",
    store="seaweedfs",
    sts_endpoint="http://127.0.0.1:1",
    role_arn="arn:aws:iam::000000000001:role/data",
    duration_seconds=3600,
    audience="sts.amazonaws.com",
    confine="tags",
)


@pytest.mark.parametrize("name", [field.name for field in fields(LeaseKey)])
def test_every_field_of_the_key_makes_another_lease(name: str) -> None:
    """Nothing that makes two credentials different may be left out of it."""
    changes: dict[str, Any] = {name: 900 if name == "duration_seconds" else "something else"}
    other = replace(KEY, **changes)
    assert other != KEY
    assert other.digest() != KEY.digest()


def test_a_digest_is_the_same_after_a_restart() -> None:
    """It names kept leases; a change to it forgets them all, so it is written down here."""
    assert KEY.digest() == replace(KEY).digest()
    assert KEY.digest() == "f1fe7136dff43a8ec252827fa64b8eb11fdb5549b765827ceb24601c24733165"


@given(st.text(), st.text())
def test_no_value_can_pose_as_two(one: str, two: str) -> None:
    """Fields cannot run into each other."""
    swapped = replace(KEY, identity=one + two, source_url="")
    assert (replace(KEY, identity=one, source_url=two).digest() == swapped.digest()) == (two == "")
