"""A storm of callers makes one call and hears one message."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentkeys.errors import AgentkeysError, BrokerUnreachable, StsBusy, StsRefused
from agentkeys.leases import FailureMemory
from tests.support.lease_place import Place, play
from tests.support.moved_clock import MovedClock
from tests.support.profiles import a_profile

NOTHING_LEFT = timedelta(0)


def test_a_failure_is_remembered_for_a_few_seconds() -> None:
    """The callers of that time hear the same and nobody is asked; then it is tried again."""

    async def story(place: Place) -> None:
        place.sts.problems.append(StsRefused("not yet"))
        heard = []
        for _ in range(100):
            with pytest.raises(StsRefused) as refusal:
                await place.ask()
            heard.append(refusal.value)
        assert len({id(problem) for problem in heard}) == 1
        assert (place.sts.calls, len(place.reports)) == (1, 1)
        place.move(seconds=2)
        assert await place.ask()

    play(story)


def test_a_storm_of_callers_makes_few_calls() -> None:
    """A hundred programs that start again every second, for ten minutes."""

    async def story(place: Place) -> None:
        place.sts.problems.extend([StsRefused("no")] * 1000)
        for _ in range(600):
            await asyncio.gather(*(place.asking() for _ in range(100)), return_exceptions=True)
            place.move(seconds=1)
        assert place.sts.calls <= 26

    play(story)


def test_an_error_of_ours_is_remembered_and_told_like_any_other() -> None:
    """By its type alone, and once."""

    async def story(place: Place) -> None:
        place.source.problems.extend([AgentkeysError("first")])
        place.source.open.clear()
        asking = place.asking()
        await place.source.fetched()
        place.source.problems.clear()
        place.source.claims = {"sub": object()}
        place.source.open.set()
        with pytest.raises(AgentkeysError, match=r"minting failed unexpectedly \(TypeError\)"):
            await asking
        with pytest.raises(AgentkeysError, match="unexpectedly"):
            await place.ask()
        assert (place.source.fetches, len(place.reports)) == (1, 1)

    play(story)


def test_other_leases_are_not_held_up() -> None:
    """What failed for one says nothing about another."""

    async def story(place: Place) -> None:
        place.sts.problems.append(StsRefused("no"))
        with pytest.raises(StsRefused):
            await place.ask()
        assert await place.ask(a_profile(duration=timedelta(minutes=30)))

    play(story)


def test_something_new_ends_it_at_once() -> None:
    """A login, another configuration, `forget`: the very next caller tries."""

    async def story(place: Place) -> None:
        for change in (place.cache.start_over, None):
            place.sts.problems.append(StsRefused("no"))
            with pytest.raises(StsRefused):
                await place.ask()
            if change:
                change()
            else:
                await place.forget()
            assert await place.ask()
            await place.forget()

    play(story)


def test_a_failure_from_before_is_not_remembered_after() -> None:
    """The mint that fails was begun with what has changed since."""

    async def story(place: Place) -> None:
        place.sts.open.clear()
        place.sts.problems.append(StsRefused("no"))
        waiter = place.asking()
        await place.sts.called()
        place.cache.start_over()
        place.sts.open.set()
        with pytest.raises(StsRefused):
            await waiter
        assert await place.ask()

    play(story)


def test_a_success_forgets_how_often_it_failed() -> None:
    """The next failure's pause is short again."""
    clock = MovedClock()
    memory = FailureMemory(clock=clock, draw=lambda: 1.0)
    for _ in range(5):
        memory.remember("mint", StsRefused("no"), left=NOTHING_LEFT)
    assert memory.pause("mint") == timedelta(seconds=30)
    memory.forget("mint")
    assert not memory.has_failed("mint")
    assert memory.pause("mint") == NOTHING_LEFT
    memory.remember("mint", StsRefused("no"), left=NOTHING_LEFT)
    assert memory.pause("mint") == timedelta(seconds=2)


def test_it_is_over_when_its_time_is() -> None:
    """What was remembered may be tried; that it failed is still known."""
    clock = MovedClock()
    memory = FailureMemory(clock=clock, draw=lambda: 1.0)
    problem = StsRefused("no")
    memory.remember("mint", problem, left=NOTHING_LEFT)
    assert memory.recall("mint") is problem
    clock.set_wall(timedelta(hours=5))
    assert memory.recall("mint") is problem
    clock.move(timedelta(seconds=2))
    assert memory.recall("mint") is None
    assert memory.has_failed("mint")


@pytest.mark.parametrize(
    "problem",
    [
        BrokerUnreachable("busy", retry_after=60.0),
        StsBusy("busy", retry_after=60.0),
    ],
)
def test_a_server_s_wish_is_respected(problem: AgentkeysError) -> None:
    """And a bit more, so that not everybody comes back in the same second."""
    clock = MovedClock()
    memory = FailureMemory(clock=clock, draw=lambda: 0.5)
    memory.remember("mint", problem, left=NOTHING_LEFT)
    assert memory.pause("mint") == timedelta(seconds=67.5)


@given(st.floats(0, 1e12), st.floats(0, 1, exclude_max=True))
def test_no_wish_is_respected_for_ever(wish: float, draw: float) -> None:
    """A Retry-After of years is a mistake."""
    memory = FailureMemory(clock=MovedClock(), draw=lambda: draw)
    memory.remember("mint", StsBusy("busy", retry_after=wish), left=NOTHING_LEFT)
    assert memory.pause("mint") <= timedelta(minutes=6.25)
