"""Leases of runs: kept apart from others, dropped with them, fresh while somebody needs them."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from agentkeys.access_rules import parse_access_rule
from agentkeys.errors import StsRefused, StsUnreachable, WrongIdentity
from agentkeys.leases import Lease, LeaseTerms
from agentkeys.models import TokenUser
from agentkeys.scopes import WHOLE, Scope
from tests.support.lease_place import Place, play
from tests.support.profiles import PROFILE, STS_ENDPOINT, a_profile
from tests.support.tokens import ALICE, BOB, ISSUER

READING = Scope(rules=(parse_access_rule("s3://lab/a/:ro"),))
WRITING = Scope(rules=(parse_access_rule("s3://lab/a/:rw"),))
RUN, OTHER = "abcdefghij234567", "zyxwvutsrq765432"
USER = TokenUser(ISSUER, f"agentkeys:agent:{ALICE.wallet}")
NO_TIME = timedelta(0)


def terms(place: Place, run_id: str | None = None, scope: Scope = WHOLE) -> LeaseTerms:
    return replace(place.terms(), scope=scope, run_id=run_id)


async def keys(place: Place, *several: LeaseTerms) -> list[str]:
    """The access keys that are served on each."""
    return [(await place.cache.lease(each)).credentials.access_key_id for each in several]


# which are the same


def test_each_scope_and_each_run_has_a_lease_of_its_own() -> None:
    """Nobody is served what was minted for somebody wider, or for another run."""

    async def story(place: Place) -> None:
        several = [
            terms(place),
            terms(place, RUN),
            terms(place, OTHER),
            terms(place, None, READING),
            terms(place, RUN, READING),
            terms(place, None, WRITING),
        ]
        first = await keys(place, *several)
        assert len({*first}) == len(several)
        assert await keys(place, *several) == first
        assert place.sts.calls == len(several)

    play(story)


def test_the_same_rules_in_another_order_are_the_same() -> None:
    """They are the same policy."""
    rules = tuple(map(parse_access_rule, ("s3://lab/a/:ro", "s3://lab/b:rw")))

    async def story(place: Place) -> None:
        first, second = (Scope(rules=rules), Scope(rules=rules[::-1]))
        assert len({*await keys(place, terms(place, None, first), terms(place, None, second))}) == 1
        assert place.sts.calls == 1

    play(story)


def test_a_scope_becomes_the_policy_that_is_asked_for() -> None:
    """And its hash is told; without one, none is sent."""

    async def story(place: Place) -> None:
        whole = await place.cache.lease(terms(place))
        narrow = await place.cache.lease(terms(place, None, READING))
        asked, narrowly = place.sts.requests
        assert (asked.policy, asked.policy_arns, whole.policy_hash) == (None, (), None)
        assert narrowly.policy
        assert "s3:GetObject" in narrowly.policy
        assert narrow.policy_hash
        assert len(narrow.policy_hash) == 64

    play(story)


def test_a_run_s_own_lease_is_named_after_it() -> None:
    """So that a store's trail leads to the very run; a shared one says when it was minted."""

    async def story(place: Place) -> None:
        own = await place.cache.lease(terms(place, RUN))
        shared = await place.cache.lease(terms(place))
        assert own.role_session_name == f"agentkeys-{ALICE.wallet[:24]}-{RUN}"
        assert RUN not in shared.role_session_name

    play(story)


# dropping one


def test_one_lease_is_dropped_and_no_other() -> None:
    """From memory and from the vault."""

    async def story(place: Place) -> None:
        await place.cache.lease(terms(place, RUN))
        (kept,) = await keys(place, terms(place))
        await place.cache.drop_run(RUN)
        assert place.cache.held(terms(place, RUN)) is None
        await place.keeper.flush()
        place.restart()
        assert await keys(place, terms(place)) == [kept]
        assert place.cache.held(terms(place, RUN)) is None
        assert place.sts.calls == 2

    play(story)


def test_one_that_is_being_minted_is_dropped_once_it_is_there() -> None:
    """A program that ends during its mint leaves nothing behind."""

    async def story(place: Place) -> None:
        place.sts.open.clear()
        waiting = asyncio.create_task(place.cache.lease(terms(place, RUN)))
        await place.sts.called()
        dropping = asyncio.create_task(place.cache.drop_run(RUN))
        await asyncio.sleep(0)
        assert not dropping.done()
        place.sts.open.set()
        await dropping
        assert (await waiting).credentials.access_key_id
        assert place.cache.held(terms(place, RUN)) is None

    play(story)


def test_dropping_does_not_wait_for_the_mints_of_others() -> None:
    """Theirs may take as long as it takes."""

    async def story(place: Place) -> None:
        await place.cache.lease(terms(place, RUN))
        place.sts.open.clear()
        waiting = asyncio.create_task(place.cache.lease(terms(place)))
        await place.sts.called(2)
        await place.cache.drop_run(RUN)
        assert place.cache.held_of_run(RUN) is None
        place.sts.open.set()
        assert await waiting is place.cache.held(terms(place))

    play(story)


def test_what_a_run_has_is_dropped_whatever_its_profile_has_become() -> None:
    """It is known by its run, and not by what would be asked for today."""

    async def story(place: Place) -> None:
        await place.cache.lease(terms(place, RUN))
        longer = replace(PROFILE, duration=timedelta(hours=2))
        own = LeaseTerms(longer, STS_ENDPOINT, place.sts, run_id=RUN)
        place.move(seconds=1)
        assert await place.cache.lease(own) is place.cache.held(own)
        assert place.cache.held_of_run(RUN)
        await place.cache.drop_run(RUN)
        assert place.cache.held(terms(place, RUN)) is None
        assert place.cache.held(own) is None

    play(story)


def test_a_lease_of_somebody_else_is_no_lease() -> None:
    """Terms may be for one subject alone, also where the mint is shared with others."""

    async def story(place: Place) -> None:
        shared = await place.cache.lease(terms(place))
        own = LeaseTerms(PROFILE, STS_ENDPOINT, place.sts, user=shared.user)
        assert await place.cache.lease(own) is shared
        await place.log_in(BOB)
        with pytest.raises(WrongIdentity, match="the program runs as"):
            await place.cache.lease(own)
        place.sts.open.clear()
        calls = place.sts.calls
        waiting = [asyncio.create_task(place.cache.lease(each)) for each in (terms(place), own)]
        place.sts.open.set()
        await asyncio.wait(waiting)
        assert place.sts.calls == calls

    play(story)


def test_what_is_not_held_is_dropped_by_doing_nothing() -> None:
    """Also while nobody is logged in, when nobody can say whose it would be."""

    async def story(place: Place) -> None:
        await place.cache.drop_run(RUN)
        await place.log_out()
        await place.cache.drop_run(RUN)
        assert place.sts.calls == 0

    play(story)


def test_what_was_dropped_is_minted_anew_for_who_asks() -> None:
    """It is no memory of a refusal."""

    async def story(place: Place) -> None:
        (first,) = await keys(place, terms(place, RUN))
        await place.cache.drop_run(RUN)
        assert await keys(place, terms(place, RUN)) != [first]

    play(story)


# staying fresh


def test_a_lease_that_is_needed_is_refreshed_though_nobody_asks() -> None:
    """A program may sleep for longer than a lease lives, and then has a second."""

    async def story(place: Place) -> None:
        await keys(place, terms(place, RUN), terms(place))
        for _ in range(3):
            place.move(minutes=59.5)
            assert place.cache.refresh(terms(place, RUN), is_needed=True) is None
            await place.settle()
        own = place.cache.held(terms(place, RUN))
        assert own
        assert own.remaining(place.clock) > timedelta(minutes=50)
        # Nobody came back for the other one.
        assert place.cache.refresh(terms(place)) is None
        assert place.cache.held(terms(place)) is None
        assert place.sts.calls == 5

    play(story)


def test_it_is_told_how_long_to_leave_it_alone() -> None:
    """Until it is due, or after a failure until it may be tried again."""

    async def story(place: Place) -> None:
        await keys(place, terms(place, RUN))
        pause = place.cache.refresh(terms(place, RUN), is_needed=True)
        assert pause
        assert timedelta(minutes=30) < pause < timedelta(hours=1)
        place.clock.move(pause)
        place.sts.problems.append(StsRefused("no", hint="ask somebody"))
        assert place.cache.refresh(terms(place, RUN), is_needed=True) is None
        await place.settle()
        again = place.cache.refresh(terms(place, RUN), is_needed=True)
        assert again
        assert NO_TIME < again < timedelta(minutes=20)

    play(story)


def test_what_is_needed_but_not_held_is_not_minted() -> None:
    """Whoever needs it asks; somebody else may have logged in."""

    async def story(place: Place) -> None:
        assert place.cache.refresh(terms(place, RUN), is_needed=True) is None
        await keys(place, terms(place, RUN))
        await place.log_in(BOB)
        place.move(minutes=59.5)
        assert place.cache.refresh(terms(place, RUN), is_needed=True) is None
        await place.settle()
        assert place.sts.calls == 1

    play(story)


# patience


def test_who_has_no_time_is_served_what_is_still_good() -> None:
    """Even if it is dying; the next one is minted meanwhile."""

    async def story(place: Place) -> None:
        first = await place.cache.lease(terms(place, RUN))
        place.move(minutes=59.5)
        place.sts.open.clear()
        dying = await place.cache.lease(terms(place, RUN), patience=NO_TIME)
        assert dying is first
        await place.sts.called(2)
        place.sts.open.set()
        await place.settle()
        assert await place.cache.lease(terms(place, RUN), patience=NO_TIME) is not first

    play(story)


def test_without_anything_good_they_wait_all_the_same() -> None:
    """There is nothing else to be served; who cannot wait gives up by themselves."""

    async def story(place: Place) -> None:
        place.sts.open.clear()
        asking = asyncio.create_task(place.cache.lease(terms(place, RUN), patience=NO_TIME))
        await place.sts.called()
        await asyncio.sleep(0)
        assert not asking.done()
        asking.cancel()
        place.sts.open.set()
        await place.settle()
        assert isinstance(place.cache.held(terms(place, RUN)), Lease)

    play(story)


# failures


@pytest.mark.parametrize("run_id", [None, OTHER])
def test_what_failed_for_one_run_is_not_tried_by_the_next(run_id: str | None) -> None:
    """A hundred programs that are started in a loop make one call, and hear one message."""

    async def story(place: Place) -> None:
        place.sts.problems.append(StsRefused("no such role", hint="ask somebody"))
        for each in (RUN, run_id, RUN):
            with pytest.raises(StsRefused, match="no such role"):
                await place.cache.lease(terms(place, each))
        assert place.sts.calls == 1

    play(story)


def test_what_failed_for_a_narrower_run_says_nothing_of_others() -> None:
    """It may be its policy that the store does not take."""

    async def story(place: Place) -> None:
        place.sts.problems.append(StsRefused("policy too long", hint="shorten it"))
        with pytest.raises(StsRefused):
            await place.cache.lease(terms(place, RUN, READING))
        assert await keys(place, terms(place, OTHER))
        assert place.sts.calls == 2

    play(story)


def test_after_the_pause_any_run_may_try() -> None:
    """And what then goes well is forgotten for all."""

    async def story(place: Place) -> None:
        place.sts.problems.extend(StsUnreachable("away", hint="wait") for _ in range(3))
        with pytest.raises(StsUnreachable):
            await place.cache.lease(terms(place, RUN))
        place.move(minutes=10)
        assert len(await keys(place, terms(place, OTHER), terms(place, RUN))) == 2

    play(story)


# pins


def test_a_run_s_pin_refuses_its_own_lease_to_somebody_else() -> None:
    """The store is not asked for what would not be served."""
    pinned = a_profile(expect_subject=f"agentkeys:agent:{ALICE.wallet}")

    async def story(place: Place) -> None:
        own = replace(place.terms(pinned), run_id=RUN)
        await place.cache.lease(own)
        await place.log_in(BOB)
        with pytest.raises(WrongIdentity):
            await place.cache.lease(own)
        assert place.sts.calls == 1
        await place.log_in(ALICE)
        assert (await place.cache.lease(own)).subject.endswith(ALICE.wallet)

    play(story)


def only_for(terms: LeaseTerms, user: TokenUser) -> LeaseTerms:
    """What a program inside a run asks for."""
    return replace(terms, user=user)


def test_a_mint_is_shared_by_those_inside_and_outside() -> None:
    """Whoever asks first."""

    async def story(place: Place) -> None:
        for several in (
            [terms(place), only_for(terms(place), USER)],
            [only_for(terms(place), USER), terms(place)],
        ):
            calls = place.sts.calls
            place.sts.open.clear()
            asking = [asyncio.create_task(place.cache.lease(each)) for each in several]
            await place.sts.called(calls + 1)
            place.sts.open.set()
            first, second = [await each for each in asking]
            assert first is second
            assert place.sts.calls == calls + 1
            await place.forget()

    play(story)


@pytest.mark.parametrize("inside_first", [True, False])
def test_what_failed_inside_is_not_tried_outside(inside_first: bool) -> None:
    """Nor the other way round."""

    async def story(place: Place) -> None:
        several = [terms(place), only_for(terms(place), USER)]
        place.sts.problems.append(StsRefused("no such role", hint="ask somebody"))
        for each in several[::-1] if inside_first else several:
            with pytest.raises(StsRefused, match="no such role"):
                await place.cache.lease(each)
        assert place.sts.calls == 1

    play(story)


def test_who_is_meant_for_one_alone_spoils_nothing_for_others() -> None:
    """A program of ALICE's is refused while BOB is logged in; BOB's are served."""

    async def story(place: Place) -> None:
        await place.log_in(BOB)
        with pytest.raises(WrongIdentity, match="the program runs as"):
            await place.cache.lease(only_for(terms(place), USER))
        assert (await place.cache.lease(terms(place))).subject.endswith(BOB.wallet)
        assert place.sts.calls == 1

    play(story)


def test_a_lease_says_whose_own_it_is() -> None:
    """Also the next time, when it comes out of the vault."""

    async def story(place: Place) -> None:
        own = await place.cache.lease(terms(place, RUN))
        shared = await place.cache.lease(terms(place))
        assert (own.run_id, shared.run_id) == (RUN, None)
        assert place.cache.held_of_run(RUN) is own
        await place.keeper.flush()
        place.restart()
        await place.cache.lease(terms(place))
        kept = place.cache.held_of_run(RUN)
        assert kept
        assert kept.credentials == own.credentials
        await place.cache.drop_run(RUN)
        assert place.cache.held_of_run(RUN) is None
        assert place.cache.held(terms(place))

    play(story)
