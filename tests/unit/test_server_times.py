"""How far other clocks are away."""

from __future__ import annotations

from datetime import timedelta

import pytest

from agentkeys.server_times import ServerTimes
from tests.support.moved_clock import MovedClock

BROKER = "https://broker.example.com/v1"


def test_a_server_that_has_not_told_has_our_time() -> None:
    """As far as anybody knows."""
    clock = MovedClock()
    times = ServerTimes(clock=clock)
    assert times.skew(BROKER) is None
    assert times.now(BROKER) == clock.now()


@pytest.mark.parametrize("ahead", [timedelta(hours=3), timedelta(seconds=-40)])
def test_what_a_server_tells_counts_for_all_of_it(ahead: timedelta) -> None:
    """Whatever the path, until it tells something else; other servers have their own."""
    clock = MovedClock()
    times = ServerTimes(clock=clock)
    times.observe(BROKER, ahead)
    assert times.skew("https://BROKER.example.com/healthz") == ahead
    assert times.now(BROKER) == clock.now() + ahead
    assert times.skew("https://broker.example.com:444/") is None
    times.observe(BROKER, None)
    assert times.skew(BROKER) == ahead
    times.observe(BROKER, timedelta(0))
    assert times.now(BROKER) == clock.now()


def test_what_a_server_told_stays_true_when_our_clock_is_set() -> None:
    """As when NTP puts it right."""
    clock = MovedClock()
    times = ServerTimes(clock=clock)
    times.observe(BROKER, timedelta(hours=6))
    there = times.now(BROKER)
    clock.set_wall(timedelta(hours=6))
    assert times.skew(BROKER) == timedelta(0)
    assert times.now(BROKER) == there
    clock.move(timedelta(hours=1))
    assert times.now(BROKER) == there + timedelta(hours=1)


def test_the_network_is_no_skew() -> None:
    """A Date header has whole seconds, and takes a while to arrive."""
    times = ServerTimes(clock=MovedClock())
    times.observe(BROKER, timedelta(seconds=-4))
    assert times.skew(BROKER) == timedelta(0)


def test_an_absurd_date_tells_nothing() -> None:
    """The year 9999 is a broken header."""
    times = ServerTimes(clock=MovedClock())
    times.observe(BROKER, timedelta(days=365 * 7000))
    assert times.skew(BROKER) is None
