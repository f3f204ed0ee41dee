"""Leases are renewed ahead of need, as long as somebody uses them, and whatever fails."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentkeys.errors import LoginRequired, StsRefused, StsUnreachable
from agentkeys.leases.schedule import SHORTEST
from tests.support.lease_place import Place, play
from tests.support.profiles import a_profile
from tests.support.tokens import ALICE, BOB

SECOND_KEY = "ASIA0000000000000002"
NOW = timedelta(0)


async def look(place: Place) -> timedelta | None:
    """One look of the refresher, and whatever comes of it."""
    pause = place.refresh()
    await place.settle()
    return pause


def test_nothing_held_is_nothing_to_do() -> None:
    """A profile that nobody has asked for is not minted."""

    async def story(place: Place) -> None:
        assert await look(place) is None
        assert place.source.fetches == 0

    play(story)


def test_a_lease_is_left_alone_until_its_time() -> None:
    """The look says for how long; nothing goes out before."""

    async def story(place: Place) -> None:
        place.draw = 0.5
        await place.ask()
        pause = await look(place)
        assert pause == timedelta(minutes=17.6)
        place.move(minutes=17.5)
        assert await look(place)
        assert place.sts.calls == 1

    play(story)


def test_a_lease_that_is_due_is_renewed_without_anybody_waiting() -> None:
    """The next caller finds the new one."""

    async def story(place: Place) -> None:
        await place.ask()
        place.move(minutes=44)
        assert await look(place) is None
        assert place.sts.calls == 2
        assert (await place.ask()).credentials.access_key_id == SECOND_KEY

    play(story)


def test_profiles_with_pins_renew_their_lease_once() -> None:
    """Whoever looks first; the others find the new one, and so do pins at a cold start."""

    async def story(place: Place) -> None:
        pinned = a_profile(name="pinned", expect_wallet=ALICE.wallet)
        place.sts.open.clear()
        waiters = [place.asking(), place.asking(pinned)]
        await place.sts.called()
        place.sts.open.set()
        first, second = await asyncio.gather(*waiters)
        assert first is second
        place.move(minutes=44)
        for profile in (pinned, a_profile()):
            place.refresh(profile)
        await place.settle()
        assert place.sts.calls == 2

    play(story)


def test_looking_again_during_a_mint_begins_no_other() -> None:
    """However often it looks."""

    async def story(place: Place) -> None:
        await place.ask()
        place.move(minutes=44)
        place.sts.open.clear()
        place.refresh()
        await place.sts.called(2)
        assert place.refresh() is None
        assert place.refresh() is None
        await place.settle()
        assert place.sts.calls == 2

    play(story)


def test_what_nobody_uses_any_more_is_let_go() -> None:
    """The credentials last handed out have ended, and nobody has come back."""

    async def story(place: Place) -> None:
        await place.ask()
        for _ in range(24):
            place.move(minutes=5)
            await look(place)
        assert place.sts.calls == 2
        assert not place.cache.is_used(place.terms())

    play(story)


def test_what_is_asked_for_now_and_then_stays_fresh() -> None:
    """Once in each lease's life is enough: that is how often an SDK asks."""

    async def story(place: Place) -> None:
        for _ in range(6 * 12):
            lease = await place.ask()
            assert lease.remaining(place.clock) > timedelta(minutes=15)
            for _ in range(5):
                place.move(minutes=1)
                await look(place)
        assert place.sts.calls <= 10

    play(story)


@settings(max_examples=40)
@given(
    lifetime=st.integers(2, 12 * 60),
    draws=st.lists(st.floats(0, 1, exclude_max=True), min_size=1, max_size=8),
)
def test_whatever_the_store_gives_what_is_served_keeps_enough(
    lifetime: int, draws: list[float]
) -> None:
    """More than 15 minutes where the session is long enough for that; else over a quarter."""
    given_by_store = timedelta(minutes=lifetime)
    enough = timedelta(minutes=15) if given_by_store >= SHORTEST else given_by_store / 4

    async def story(place: Place) -> None:
        place.sts.longest = given_by_store
        profile = a_profile(duration=timedelta(hours=12))
        for step in range(60):
            place.draw = draws[step % len(draws)]
            lease = await place.ask(profile)
            assert lease.remaining(place.clock) > enough
            place.clock.move(given_by_store / 16)
            place.refresh(profile)
            await place.settle()

    play(story)


def test_what_an_earlier_daemon_handed_out_is_renewed_too() -> None:
    """Its jobs go on."""

    async def story(place: Place) -> None:
        await place.ask()
        await place.keeper.flush()
        place.restart()
        await place.keeper.load()
        place.move(minutes=44)
        await look(place)
        assert place.sts.calls == 2

    play(story)


def test_a_lease_minted_on_schedule_keeps_its_pace() -> None:
    """One minted late, or by a caller, may share its moment with a fleet."""

    async def story(place: Place) -> None:
        place.draw = 0.1
        first = await place.ask()
        assert first.refresh_at - first.minted_at == timedelta(minutes=3.52)
        place.move(minutes=4)
        await look(place)
        second = await place.ask()
        assert second.refresh_at - second.minted_at == timedelta(minutes=28.16)
        place.move(minutes=40)
        await look(place)
        late = await place.ask()
        assert late.refresh_at - late.minted_at == timedelta(minutes=3.52)

    play(story)


def test_a_failed_refresh_is_tried_again_and_never_stops() -> None:
    """Over the rest of the lease's life, further and further from a storm; then it works again."""

    async def story(place: Place) -> None:
        first = await place.ask()
        place.sts.problems.extend([StsUnreachable("down")] * 100)
        place.move(minutes=44)
        tries = 0
        for _ in range(14):
            before = place.sts.calls
            await look(place)
            tries += place.sts.calls > before
            assert await place.ask() is first
            place.move(minutes=1)
        assert 2 <= tries <= 6
        place.sts.problems.clear()
        place.move(minutes=1)
        await look(place)
        assert (await place.ask()).remaining(place.clock) == timedelta(hours=1)

    play(story)


def test_after_a_failure_the_next_lease_is_out_of_step() -> None:
    """Whoever was down, everybody comes back at the same time."""

    async def story(place: Place) -> None:
        await place.ask()
        place.move(minutes=44)
        place.sts.problems.append(StsRefused("no"))
        await look(place)
        place.draw = 0.1
        place.move(minutes=8)
        await look(place)
        lease = await place.ask()
        assert lease.refresh_at - lease.minted_at == timedelta(minutes=16.28)

    play(story)


def test_a_dead_session_ends_no_running_job() -> None:
    """What is valid is served to its end, then the person is asked to log in; a login mends it."""

    async def story(place: Place) -> None:
        first = await place.ask()
        place.source.problems.extend([LoginRequired("dead")] * 100)
        for _ in range(15):
            place.move(minutes=4)
            await look(place)
            if first.remaining(place.clock) > NOW:
                assert await place.ask() is first
        with pytest.raises(LoginRequired):
            await place.ask()
        place.source.problems.clear()
        place.cache.start_over()
        assert await place.ask()

    play(story)


# At least so much.


def test_a_lease_with_enough_left_is_not_minted_again() -> None:
    """Whoever waits for 20 minutes gets what is held while it has them."""

    async def story(place: Place) -> None:
        first = await place.ask()
        place.move(minutes=10)
        assert await place.ask(at_least=timedelta(minutes=50)) is first

    play(story)


def test_a_lease_with_less_left_is_minted_anew() -> None:
    """As new as can be, even if the store gives less."""

    async def story(place: Place) -> None:
        await place.ask()
        place.move(minutes=10)
        second = await place.ask(at_least=timedelta(minutes=51))
        assert second.credentials.access_key_id == SECOND_KEY
        third = await place.ask(at_least=timedelta(hours=2))
        assert third.lifetime == timedelta(hours=1)

    play(story)


def test_who_cannot_be_served_waits_seconds_and_not_minutes() -> None:
    """What is held is good for others, so that they leave broker and store alone for longer."""

    async def story(place: Place) -> None:
        first = await place.ask()
        place.move(minutes=30)
        place.sts.problems.append(StsRefused("no"))
        with pytest.raises(StsRefused):
            await place.ask(at_least=timedelta(minutes=40))
        place.move(seconds=1)
        with pytest.raises(StsRefused):
            await place.ask(at_least=timedelta(minutes=40))
        assert place.sts.calls == 2
        assert await place.ask() is first
        place.move(seconds=1)
        assert (await place.ask(at_least=timedelta(minutes=40))).lifetime == timedelta(hours=1)

    play(story)


# Forgetting.


def test_a_forgotten_lease_is_minted_anew_and_no_longer_renewed() -> None:
    """In memory and in the vault; its end is told, since no store takes it back."""

    async def story(place: Place) -> None:
        await place.log_in(ALICE)
        lease = await place.ask()
        assert await place.forget() == lease.credentials.expires_at
        assert place.cache.held(place.terms()) is None
        place.move(minutes=44)
        assert await look(place) is None
        place.restart()
        assert (await place.ask()).credentials.access_key_id == SECOND_KEY
        assert place.keeper.held_session

    play(story)


def test_forgetting_one_leaves_the_others() -> None:
    """And forgetting all leaves none."""

    async def story(place: Place) -> None:
        other = a_profile(name="other", duration=timedelta(minutes=30))
        await place.ask()
        kept = await place.ask(other)
        await place.forget(other)
        assert len(place.keeper.held_leases) == 1
        assert await place.ask(other) is kept
        await place.forget()
        assert place.keeper.held_leases == {}

    play(story)


def test_what_was_handed_out_lives_on_though_it_is_forgotten() -> None:
    """Also when it is asked again, and until its very end."""

    async def story(place: Place) -> None:
        lease = await place.ask()
        for _ in range(2):
            assert await place.forget() == lease.credentials.expires_at
        place.move(hours=1)
        assert await place.forget() is None

    play(story)


def test_nothing_handed_out_is_nothing_to_warn_of() -> None:
    """As of a daemon that nobody has asked."""

    async def story(place: Place) -> None:
        assert await place.forget() is None

    play(story)


def test_a_mint_under_way_is_not_kept_when_it_is_forgotten() -> None:
    """Those who wait for it get it; the next one is minted for whoever comes next."""

    async def story(place: Place) -> None:
        place.sts.open.clear()
        waiter = place.asking()
        await place.sts.called()
        await place.forget()
        place.sts.open.set()
        await waiter
        assert place.keeper.held_leases == {}
        assert (await place.ask()).credentials.access_key_id == SECOND_KEY

    play(story)


def test_another_user_s_refresh_never_takes_the_place_of_ours() -> None:
    """Logins between two looks."""

    async def story(place: Place) -> None:
        await place.log_in(ALICE)
        await place.ask()
        await place.log_in(BOB)
        place.move(minutes=44)
        assert await look(place) is None
        assert place.sts.calls == 1

    play(story)
