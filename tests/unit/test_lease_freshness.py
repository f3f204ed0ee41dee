"""When a lease is served, when it is renewed ahead of need, and what sets it apart from others."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentkeys.leases import Freshness, Lease, LeaseKey, assess
from tests.support.moved_clock import SAMPLE_NOW, MovedClock
from tests.support.profiles import a_lease

LIFETIMES = st.timedeltas(timedelta(seconds=1), timedelta(hours=12))
AGES = st.timedeltas(timedelta(0), timedelta(hours=13))


def living(lifetime: timedelta) -> Lease:
    return a_lease(minted_at=SAMPLE_NOW, lifetime=lifetime)


def aged(by: timedelta) -> MovedClock:
    clock = MovedClock()
    clock.move(by)
    return clock


@pytest.mark.parametrize(
    ("lifetime", "minutes_left", "expected"),
    [
        pytest.param(60, 60, Freshness.FRESH, id="new"),
        pytest.param(60, 24.81, Freshness.FRESH, id="just fresh"),
        pytest.param(60, 24.8, Freshness.EARLY, id="time for the next one"),
        pytest.param(60, 15.01, Freshness.EARLY, id="just outside of the SDKs' window"),
        pytest.param(60, 15, Freshness.DYING, id="in the SDKs' window"),
        pytest.param(60, 0.01, Freshness.DYING, id="nearly over"),
        pytest.param(60, 0, Freshness.OVER, id="over to the moment"),
        pytest.param(60, -5, Freshness.OVER, id="long over"),
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
    assert assess(lease, aged(timedelta(minutes=lifetime - minutes_left))) is expected


@given(LIFETIMES, AGES, AGES)
def test_a_lease_only_grows_older(lifetime: timedelta, age: timedelta, later: timedelta) -> None:
    """Fresh, early, dying, over: in this order."""
    order = list(Freshness)
    lease = living(lifetime)
    first, second = (order.index(assess(lease, aged(at))) for at in sorted((age, later)))
    assert first <= second


def test_the_lifetime_is_what_the_store_gave() -> None:
    """Whatever was asked."""
    assert living(timedelta(minutes=7)).lifetime == timedelta(minutes=7)


# Clocks.


@given(AGES, st.timedeltas(timedelta(hours=-20), timedelta(hours=20)))
def test_no_clock_makes_a_lease_live_longer(age: timedelta, set_by: timedelta) -> None:
    """Set back, or stood still while the machine slept: the other clock knows."""
    lease = living(timedelta(hours=1))
    clock = aged(age)
    clock.set_wall(set_by)
    assert lease.remaining(clock) <= timedelta(hours=1) - age
    if set_by <= timedelta(0):
        assert lease.remaining(clock) == timedelta(hours=1) - age


@given(AGES, st.timedeltas(timedelta(hours=-20), timedelta(hours=20)))
def test_a_clock_that_is_wrong_all_along_changes_nothing(age: timedelta, skew: timedelta) -> None:
    """The store said at the mint how far its own is away."""
    lease = replace(living(timedelta(hours=1)), skew=skew)
    clock = aged(age)
    clock.set_wall(-skew)
    assert lease.remaining(clock) == timedelta(hours=1) - age


KEY = LeaseKey(
    identity="me",
    origin="https://broker.example.com",
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
    assert KEY.digest() == "20f2d4c798823fd91a98fbf79c7cd3704176cd4302328f67ae77efede994b54e"


@given(st.text(), st.text())
def test_no_value_can_pose_as_two(one: str, two: str) -> None:
    """Fields cannot run into each other."""
    swapped = replace(KEY, identity=one + two, origin="")
    assert (replace(KEY, identity=one, origin=two).digest() == swapped.digest()) == (two == "")
