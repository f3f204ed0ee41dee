"""The machine's own clocks, with the wall clock frozen and set."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from freezegun import freeze_time

from agentkeys.clock import SystemClock
from agentkeys.leases import Freshness, assess
from agentkeys.server_times import ServerTimes
from tests.support.profiles import a_lease

NOON = datetime(2030, 1, 2, 12, tzinfo=UTC)
BROKER = "https://broker.example.com"


def test_a_lease_ends_when_the_wall_clock_says_so() -> None:
    """Though the monotonic one has hardly moved: a virtual machine was put aside for an hour."""
    with freeze_time(NOON) as wall:
        clock = SystemClock()
        lease = replace(a_lease(minted_at=NOON), deadline=clock.monotonic() + 3600)
        assert assess(lease, clock) is Freshness.FRESH
        wall.tick(timedelta(hours=1))
        assert assess(lease, clock) is Freshness.OVER


def test_a_broker_s_time_is_known_through_a_clock_that_is_set() -> None:
    """What it told, moved by what passed since."""
    with freeze_time(NOON) as wall:
        times = ServerTimes(clock=SystemClock())
        times.observe(BROKER, timedelta(hours=-2))
        wall.move_to(NOON - timedelta(hours=2))
        assert times.skew(BROKER) == timedelta(0)
        assert abs(times.now(BROKER) - (NOON - timedelta(hours=2))) < timedelta(minutes=1)
