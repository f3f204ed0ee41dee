"""Clocks that are wrong, are set, or stand still end in a correct next answer, and in no storm."""

from __future__ import annotations

from datetime import timedelta

import pytest

from agentkeys.leases import Lease
from tests.support.lease_place import Place, play
from tests.support.profiles import a_profile

THREE_HOURS = timedelta(hours=3)
SECOND_KEY = "ASIA0000000000000002"


async def ask_often(place: Place) -> Lease:
    """A hundred programs that all ask."""
    for _ in range(100):
        lease = await place.ask()
    return lease


def tell_the_time(place: Place) -> None:
    """Store and issuer have the same clock, and the store's Date says how far it is away."""
    place.sts.told_ahead = place.source.ahead = place.sts.ahead


def test_a_laptop_that_slept_wakes_up_with_nothing_stale() -> None:
    """Both clocks went on, or only the wall clock did: the lease is over either way."""

    async def story(place: Place) -> None:
        await place.ask()
        place.clock.move(THREE_HOURS)
        assert (await ask_often(place)).credentials.access_key_id == SECOND_KEY
        place.clock.set_wall(THREE_HOURS)
        assert (await ask_often(place)).credentials.access_key_id == "ASIA0000000000000003"
        assert place.sts.calls == 3

    play(story)


@pytest.mark.parametrize("by", [THREE_HOURS, -THREE_HOURS], ids=["forward", "back"])
def test_a_clock_that_was_set_wrong_costs_one_mint_at_most(by: timedelta) -> None:
    """The next lease knows how far the store's clock is away, and lives its whole life."""

    async def story(place: Place) -> None:
        await place.ask()
        place.clock.set_wall(by)
        place.sts.ahead = -by
        tell_the_time(place)
        await ask_often(place)
        for _ in range(4):
            place.move(minutes=10)
            lease = await ask_often(place)
            assert lease.remaining(place.clock) > timedelta(minutes=15)
        assert place.sts.calls <= 2

    play(story)


def test_a_clock_set_back_makes_nothing_live_longer() -> None:
    """It says that there are hours left; an hour after the mint it is over all the same."""

    async def story(place: Place) -> None:
        await place.ask()
        place.clock.set_wall(-THREE_HOURS)
        place.sts.ahead = THREE_HOURS
        tell_the_time(place)
        place.move(hours=1)
        assert (await place.ask()).credentials.access_key_id == SECOND_KEY

    play(story)


@pytest.mark.parametrize("ahead", [THREE_HOURS, -THREE_HOURS, timedelta(minutes=-50)])
def test_a_clock_that_is_wrong_all_along_makes_no_difference(ahead: timedelta) -> None:
    """Leases live as long as the store says."""

    async def story(place: Place) -> None:
        place.sts.ahead = ahead
        tell_the_time(place)
        lease = await ask_often(place)
        assert lease.remaining(place.clock) == lease.lifetime == timedelta(hours=1)
        place.move(minutes=40)
        assert await ask_often(place) is lease
        place.move(minutes=20)
        assert (await ask_often(place)).credentials.access_key_id == SECOND_KEY

    play(story)


@pytest.mark.parametrize("told", [THREE_HOURS, -THREE_HOURS])
def test_a_date_that_the_expiration_contradicts_is_not_believed(told: timedelta) -> None:
    """It is that of a proxy whose clock is wrong."""

    async def story(place: Place) -> None:
        place.sts.told_ahead = told
        lease = await ask_often(place)
        assert lease.remaining(place.clock) == timedelta(hours=1)
        assert place.sts.calls == 1

    play(story)


def test_a_slow_date_makes_nothing_live_longer() -> None:
    """The store gives less than was asked for, so that its Expiration contradicts nothing."""

    async def story(place: Place) -> None:
        place.sts.longest = timedelta(hours=1)
        place.sts.told_ahead = timedelta(minutes=-30)
        lease = await place.ask(a_profile(duration=timedelta(hours=12)))
        assert lease.remaining(place.clock) == timedelta(hours=1)

    play(story)


@pytest.mark.parametrize("by", [timedelta(hours=1), timedelta(hours=-1)])
def test_a_clock_that_is_set_during_a_mint_costs_little(by: timedelta) -> None:
    """The lease has a life, and is renewed before its end."""

    async def story(place: Place) -> None:
        place.sts.open.clear()
        waiter = place.asking()
        await place.sts.called()
        place.clock.set_wall(by)
        place.sts.open.set()
        lease = await waiter
        assert lease.lifetime == timedelta(hours=1)
        place.move(minutes=44)
        assert place.refresh() is None
        assert place.cache.is_minting

    play(story)


@pytest.mark.parametrize("fixed", [False, True], ids=["still wrong", "set right since"])
@pytest.mark.parametrize("ahead", [THREE_HOURS, -THREE_HOURS])
def test_what_was_kept_under_a_wrong_clock_is_never_served_too_long(
    ahead: timedelta, fixed: bool
) -> None:
    """A restarted daemon cannot know which clock was right, and believes what gives it less."""

    async def story(place: Place) -> None:
        place.sts.ahead = ahead
        tell_the_time(place)
        first = await place.ask()
        await place.keeper.flush()
        if fixed:
            place.clock.set_wall(ahead)
            place.sts.ahead = timedelta(0)
            tell_the_time(place)
        place.restart()
        place.move(minutes=59)
        assert await place.ask()
        place.move(minutes=1)
        assert (await place.ask()).credentials != first.credentials

    play(story)
