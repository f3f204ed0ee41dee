"""When leases are refreshed: the plan, as a function of lifetimes and throws of the dice."""

from __future__ import annotations

import random
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentkeys.leases.schedule import (
    SHORTEST,
    Plan,
    dying_below,
    first_refresh,
    latest_refresh,
    next_refresh,
    refresh_after_failure,
    retry_pause,
)

SDK_WINDOW = timedelta(minutes=15)
HOUR = timedelta(hours=1)
LIFETIMES = st.timedeltas(timedelta(seconds=1), timedelta(hours=36))
DRAWS = st.floats(0, 1, exclude_max=True)
all_plans = pytest.mark.parametrize("plan", [first_refresh, next_refresh, refresh_after_failure])


@all_plans
@given(lifetime=LIFETIMES, draw=DRAWS)
def test_what_is_served_keeps_more_than_the_sdks_window(
    plan: Plan, lifetime: timedelta, draw: float
) -> None:
    """At the very moment of the refresh too, wherever the session is long enough for it."""
    left = lifetime - plan(lifetime, draw)
    assert left > dying_below(lifetime)
    assert left > (SDK_WINDOW if lifetime >= SHORTEST else lifetime / 4)


@all_plans
@given(lifetime=LIFETIMES, draw=DRAWS)
def test_a_refresh_is_never_planned_for_the_past_or_too_late(
    plan: Plan, lifetime: timedelta, draw: float
) -> None:
    """Between the mint and the latest moment."""
    assert timedelta(0) <= plan(lifetime, draw) <= latest_refresh(lifetime)


@all_plans
@given(lifetime=LIFETIMES, draws=st.lists(DRAWS, min_size=2, max_size=2))
def test_a_higher_throw_means_later(plan: Plan, lifetime: timedelta, draws: list[float]) -> None:
    """The plan is a distribution's inverse: equally likely moments for equally likely throws."""
    sooner, later = sorted(draws)
    assert plan(lifetime, sooner) <= plan(lifetime, later)


def test_the_moments_of_an_hour() -> None:
    """0 to 44 minutes at first, 26 to 44 ever after, 13 to 44 after a failure."""
    assert latest_refresh(HOUR) == timedelta(minutes=44)
    assert first_refresh(HOUR, 0) == timedelta(0)
    assert first_refresh(HOUR, 1) == timedelta(minutes=44)
    assert refresh_after_failure(HOUR, 0) == timedelta(minutes=13.2)
    assert refresh_after_failure(HOUR, 1) == timedelta(minutes=44)
    assert next_refresh(HOUR, 0) == timedelta(minutes=26.4)
    assert next_refresh(HOUR, 1) == timedelta(minutes=44)


@pytest.mark.parametrize(
    ("lifetime", "latest"),
    [
        pytest.param(12 * 60, 12 * 60 - 16, id="twelve hours"),
        pytest.param(30, 14, id="half an hour"),
        pytest.param(20, 4.375, id="the shortest that keeps out of the SDKs' window"),
        pytest.param(16, 11, id="shorter: a quarter and a bit is left"),
        pytest.param(15, 10.25, id="what AWS gives at least"),
    ],
)
def test_the_latest_moment(lifetime: float, latest: float) -> None:
    """A minute before what is left gets too little; less of a minute where there are few."""
    assert latest_refresh(timedelta(minutes=lifetime)) == timedelta(minutes=latest)


def test_a_fleet_that_starts_together_is_in_balance_at_once() -> None:
    """As many refreshes in every stretch of time, from the first one on."""
    dice = random.Random(1)
    stretches = [0] * 24
    for _ in range(20_000):
        at = first_refresh(HOUR, dice.random())
        while at < timedelta(hours=2):
            stretches[int(at / timedelta(minutes=5))] += 1
            at += next_refresh(HOUR, dice.random())
    mean = sum(stretches) / len(stretches)
    assert max(stretches) < 1.1 * mean
    assert min(stretches) > 0.9 * mean


@given(st.timedeltas(timedelta(0), timedelta(hours=36)), st.integers(1, 10_000), DRAWS)
def test_a_pause_after_failures_is_bounded(left: timedelta, failures: int, draw: float) -> None:
    """At least a moment; at most half of what is left, or half a minute where that is little."""
    pause = retry_pause(left, failures, draw)
    assert timedelta(seconds=1) <= pause <= timedelta(minutes=10)
    assert pause <= max(timedelta(seconds=30), left / 2)


@given(st.timedeltas(timedelta(seconds=1), timedelta(hours=36)), st.integers(1, 10_000), DRAWS)
def test_no_pause_outlasts_what_is_left(left: timedelta, failures: int, draw: float) -> None:
    """Whoever asks once the lease is over finds that it may be tried."""
    assert retry_pause(left, failures, draw) <= left


def test_pauses_grow_while_nothing_is_left() -> None:
    """A few seconds at first: whoever mends something should not have to wait for it."""
    pauses = [retry_pause(timedelta(0), failures, 1).total_seconds() for failures in range(1, 8)]
    assert pauses == [2, 4, 8, 16, 30, 30, 30]


def test_a_fleet_does_not_come_back_in_one_second() -> None:
    """What failed with minutes left is tried again over minutes."""
    left = timedelta(minutes=16)
    spread = retry_pause(left, 1, 0.999) - retry_pause(left, 1, 0)
    assert spread > timedelta(minutes=3)
