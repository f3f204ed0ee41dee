"""Leases are served from memory, and minted once however many ask."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from agentkeys.config import BrokerIdentity, Store
from agentkeys.errors import (
    AgentkeysError,
    BrokerUnreachable,
    LoginRequired,
    StsBusy,
    StsRefused,
    StsUnreachable,
    TokenUnconfined,
    VaultLocked,
    WrongIdentity,
)
from agentkeys.leases import Lease
from agentkeys.models import Confinement, RoleArn
from agentkeys.stores import CEPH
from tests.support.lease_place import Place, play
from tests.support.profiles import STS_ENDPOINT, a_profile
from tests.support.tokens import ALICE, BOB, ISSUER, User

SUBJECT = {user.wallet: f"agentkeys:agent:{user.wallet}" for user in (ALICE, BOB)}


# From memory.


def test_a_held_lease_is_served_from_memory() -> None:
    """Nothing outside is asked."""

    async def story(place: Place) -> None:
        first = await place.ask()
        place.move(minutes=39)
        assert await place.ask() is first
        assert (place.source.fetches, place.sts.calls) == (1, 1)

    play(story)


def test_a_cold_lease_is_minted_and_kept() -> None:
    """For the next daemon too."""

    async def story(place: Place) -> None:
        first = await place.ask()
        await place.keeper.flush()
        place.restart()
        assert (await place.ask()).credentials == first.credentials
        assert place.sts.calls == 1

    play(story)


def test_an_early_lease_is_served_while_the_next_one_is_minted() -> None:
    """Nobody waits for it."""

    async def story(place: Place) -> None:
        first = await place.ask()
        place.move(minutes=44.5)
        place.sts.open.clear()
        assert await place.ask() is first
        assert await place.ask() is first
        await place.sts.called(2)
        place.sts.open.set()
        await place.settle()
        second = await place.ask()
        assert second.credentials.access_key_id == "ASIA0000000000000002"
        assert place.sts.calls == 2

    play(story)


def test_a_dying_lease_is_replaced_before_it_is_served() -> None:
    """SDKs would ask again at every call."""

    async def story(place: Place) -> None:
        await place.ask()
        place.move(minutes=46)
        assert (await place.ask()).credentials.access_key_id == "ASIA0000000000000002"

    play(story)


def test_what_is_held_can_be_looked_at() -> None:
    """Whatever its state, without asking anybody; nothing while nobody is logged in."""

    async def story(place: Place) -> None:
        assert place.cache.held(place.terms()) is None
        lease = await place.ask()
        place.move(hours=3)
        assert place.cache.held(place.terms()) is lease
        assert place.cache.held(place.terms(endpoint="http://127.0.0.1:9")) is None
        place.source.user = None
        assert place.cache.held(place.terms()) is None
        assert (place.source.fetches, place.vault.loads) == (1, 1)

    play(story)


# Single flight.


def test_one_mint_for_many_waiters() -> None:
    """Callers that arrive together share a single AssumeRole, and one report of it."""

    async def story(place: Place) -> None:
        place.sts.open.clear()
        waiters = [place.asking() for _ in range(500)]
        await place.sts.called()
        place.sts.open.set()
        leases = await asyncio.gather(*waiters)
        assert len({id(lease) for lease in leases}) == 1
        assert (place.source.fetches, place.sts.calls, len(place.reports)) == (1, 1, 1)

    play(story)


def test_one_failure_for_many_waiters() -> None:
    """They all hear the same, and nobody is left waiting."""

    async def story(place: Place) -> None:
        place.sts.open.clear()
        place.sts.problems.append(StsRefused("no"))
        waiters = [place.asking() for _ in range(50)]
        await place.sts.called()
        place.sts.open.set()
        answers = await asyncio.gather(*waiters, return_exceptions=True)
        assert {type(answer) for answer in answers} == {StsRefused}
        assert (place.sts.calls, len(place.reports)) == (1, 1)

    play(story)


def test_a_waiter_that_gives_up_leaves_the_others_their_mint() -> None:
    """The first one too, whose request began it."""

    async def story(place: Place) -> None:
        place.sts.open.clear()
        first, second, third = place.asking(), place.asking(), place.asking()
        await place.sts.called()
        first.cancel()
        third.cancel()
        await asyncio.gather(first, third, return_exceptions=True)
        place.sts.open.set()
        assert (await second).credentials.access_key_id == "ASIA0000000000000001"
        assert first.cancelled()
        assert third.cancelled()

    play(story)


def test_a_mint_that_nobody_waits_for_any_more_is_kept() -> None:
    """Its caller comes back."""

    async def story(place: Place) -> None:
        place.sts.open.clear()
        only = place.asking()
        await place.sts.called()
        only.cancel()
        await asyncio.gather(only, return_exceptions=True)
        place.sts.open.set()
        await place.settle()
        assert await place.ask()
        assert place.sts.calls == 1

    play(story)


def test_a_mint_ended_from_outside_ends_its_waiters() -> None:
    """As when the daemon stops; the next request begins anew."""

    async def story(place: Place) -> None:
        place.sts.open.clear()
        waiter = place.asking()
        await place.sts.called()
        for task in asyncio.all_tasks() - {asyncio.current_task(), waiter}:
            task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiter
        place.sts.open.set()
        assert await place.ask()

    play(story)


def test_a_warm_answer_does_not_wait_for_a_stuck_mint() -> None:
    """Of another profile: a request that waits holds nothing that this one needs."""

    async def story(place: Place) -> None:
        warm = await place.ask()
        place.sts.open.clear()
        cold = a_profile(name="cold", duration=timedelta(minutes=30))
        waiters = [place.asking(cold) for _ in range(500)]
        await place.sts.called(2)
        assert await place.ask() is warm
        place.sts.open.set()
        await asyncio.gather(*waiters)

    play(story)


# What makes two leases different.

OTHER_ARN = RoleArn.parse("arn:aws:iam::000000000001:role/other")


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"role_arn": OTHER_ARN}, id="role"),
        pytest.param({"role_arn": None}, id="no role"),
        pytest.param({"duration": timedelta(minutes=59)}, id="duration"),
        pytest.param({"confine": Confinement("tags")}, id="confinement"),
        pytest.param({"store": Store("lab", CEPH, STS_ENDPOINT, None, None)}, id="store"),
    ],
)
def test_profiles_that_differ_share_no_lease(changes: dict[str, Any]) -> None:
    """Each of these makes other credentials, or was checked in another way."""

    async def story(place: Place) -> None:
        first = await place.ask()
        second = await place.ask(a_profile(**changes))
        assert first.credentials != second.credentials
        assert place.sts.calls == 2

    play(story)


def test_two_endpoints_share_no_lease() -> None:
    """The credentials of one store mean nothing to another."""

    async def story(place: Place) -> None:
        first = await place.ask()
        second = await place.cache.lease(place.terms(endpoint="http://127.0.0.1:9"))
        assert first.credentials != second.credentials

    play(story)


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"name": "other"}, id="name"),
        pytest.param({"bucket": "other", "prefix": "x/"}, id="bucket and prefix"),
        pytest.param({"region": "eu-central-1"}, id="region"),
        pytest.param({"expect_wallet": ALICE.wallet}, id="a pin that fits"),
    ],
)
def test_profiles_that_ask_for_the_same_share_a_lease(changes: dict[str, Any]) -> None:
    """What only says where to use credentials makes no others."""

    async def story(place: Place) -> None:
        first = await place.ask()
        assert await place.ask(a_profile(**changes)) is first

    play(story)


def test_a_shared_lease_is_still_held_against_each_profile_s_pins() -> None:
    """It was minted for a profile without any."""

    async def story(place: Place) -> None:
        await place.ask()
        with pytest.raises(WrongIdentity):
            await place.ask(a_profile(expect_wallet=BOB.wallet))
        with pytest.raises(WrongIdentity):
            await place.ask(a_profile(expect_subject="somebody"))

    play(story)


def test_a_pin_s_refusal_is_not_another_profile_s() -> None:
    """Even where both ask at the same moment for what would be the same lease."""

    async def story(place: Place) -> None:
        place.source.open.clear()
        pinned = place.asking(a_profile(name="pinned", expect_wallet=BOB.wallet))
        free = place.asking()
        await place.source.fetched(2)
        place.source.open.set()
        assert (await free).credentials
        with pytest.raises(WrongIdentity, match="the profile pinned"):
            await pinned

    play(story)


# While something is down.


@pytest.mark.parametrize(
    "minutes",
    [
        pytest.param(44.5, id="early"),
        pytest.param(46, id="dying"),
        pytest.param(59, id="nearly over"),
    ],
)
def test_what_is_still_valid_is_served_while_the_store_is_down(minutes: float) -> None:
    """A job goes on for as long as it can."""

    async def story(place: Place) -> None:
        first = await place.ask()
        place.move(minutes=minutes)
        place.sts.problems.extend([StsUnreachable("down")] * 3)
        assert await place.ask() is first
        await place.settle()
        assert isinstance(place.reports[-1][1], StsUnreachable)

    play(story)


@pytest.mark.parametrize(
    "problem", [BrokerUnreachable("down"), LoginRequired("expired"), TokenUnconfined("no tags")]
)
def test_what_is_still_valid_is_served_without_new_tokens(problem: AgentkeysError) -> None:
    """It was confined when it was minted, and a session's end does not change that."""

    async def story(place: Place) -> None:
        first = await place.ask()
        place.move(minutes=50)
        place.source.problems.extend([problem] * 3)
        assert await place.ask() is first

    play(story)


def test_a_store_that_hangs_does_not_hold_up_what_is_still_valid() -> None:
    """After a moment's patience it is served; the mint goes on for whoever asks next."""

    async def story(place: Place) -> None:
        first = await place.ask()
        place.move(minutes=50)
        place.sts.open.clear()
        assert await place.ask() is first
        assert await place.ask() is first
        place.sts.open.set()
        await place.settle()
        assert (await place.ask()).credentials.access_key_id == "ASIA0000000000000002"
        assert place.sts.calls == 2

    play(story, patience=timedelta(0))


def test_nothing_expired_is_served_for_want_of_patience() -> None:
    """Without anything good there is nothing to do but wait."""

    async def story(place: Place) -> None:
        await place.ask()
        place.move(minutes=59)
        place.sts.open.clear()
        waiter = place.asking()
        await place.sts.called(2)
        place.move(minutes=1)
        place.sts.open.set()
        assert (await waiter).credentials.access_key_id == "ASIA0000000000000002"

    play(story)


def test_nothing_expired_is_served() -> None:
    """The error is the better answer."""

    async def story(place: Place) -> None:
        await place.ask()
        place.move(minutes=60)
        place.sts.problems.extend([StsBusy("later")] * 3)
        with pytest.raises(StsBusy):
            await place.ask()

    play(story)


def test_what_expires_during_a_failing_mint_is_not_served() -> None:
    """It was good when the request came."""

    async def story(place: Place) -> None:
        await place.ask()
        place.move(minutes=59)
        place.sts.open.clear()
        place.sts.problems.append(StsRefused("no"))
        waiter = place.asking()
        await place.sts.called(2)
        place.move(minutes=1)
        place.sts.open.set()
        with pytest.raises(StsRefused):
            await waiter

    play(story)


def test_a_failed_renewal_ahead_of_need_bothers_nobody() -> None:
    """Except for the report; it is tried again after a while."""

    async def story(place: Place) -> None:
        first = await place.ask()
        place.move(minutes=44.5)
        place.sts.problems.append(StsRefused("no"))
        assert await place.ask() is first
        await place.settle()
        assert [type(what) for _, what in place.reports] == [Lease, StsRefused]
        assert await place.ask() is first
        assert place.sts.calls == 2
        place.move(minutes=8)
        assert (await place.ask()).credentials.access_key_id == "ASIA0000000000000003"

    play(story)


def test_a_locked_vault_is_not_a_miss() -> None:
    """Minting anew would hide the lock, and need the session that is behind it anyway."""

    async def story(place: Place) -> None:
        place.vault.problem = VaultLocked("locked")
        with pytest.raises(VaultLocked):
            await place.ask()
        assert place.sts.calls == 0
        place.vault.problem = None
        assert await place.ask()

    play(story)


def test_a_vault_that_cannot_be_written_costs_no_credentials() -> None:
    """They are served from memory, and the trouble is told."""

    async def story(place: Place) -> None:
        await place.keeper.load()
        place.vault.problem = VaultLocked("locked since")
        lease = await place.ask()
        await place.keeper.flush()
        assert isinstance(place.keeper.trouble, VaultLocked)
        assert await place.ask() is lease

    play(story)


# Logins and logouts.


def test_nobody_s_leases_are_served_when_nobody_is_logged_in() -> None:
    """Not even a warm one."""

    async def story(place: Place) -> None:
        await place.log_in(ALICE)
        await place.ask()
        await place.log_out()
        with pytest.raises(LoginRequired):
            await place.ask()

    play(story)


def test_each_user_gets_their_own() -> None:
    """One identity's name says nothing about who logged in under it."""

    async def story(place: Place) -> None:
        await place.log_in(ALICE)
        alice = await place.ask()
        await place.log_in(BOB)
        bob = await place.ask()
        assert (alice.subject, bob.subject) == (SUBJECT[ALICE.wallet], SUBJECT[BOB.wallet])
        await place.log_in(ALICE)
        assert (await place.ask()).subject == SUBJECT[ALICE.wallet]

    play(story)


def test_a_login_of_another_user_during_a_mint_serves_neither() -> None:
    """Whoever waited began it as somebody else."""

    async def story(place: Place) -> None:
        await place.log_in(ALICE)
        place.sts.open.clear()
        waiter = place.asking()
        await place.sts.called()
        await place.log_in(BOB)
        place.sts.open.set()
        with pytest.raises(WrongIdentity, match="became somebody else"):
            await waiter
        assert (await place.ask()).subject == SUBJECT[BOB.wallet]
        assert len(place.keeper.held_leases) == 1

    play(story)


def test_a_logout_during_a_mint_keeps_and_serves_nothing() -> None:
    """Neither in memory nor in the vault."""

    async def story(place: Place) -> None:
        await place.log_in(ALICE)
        place.sts.open.clear()
        waiter = place.asking()
        await place.sts.called()
        await place.log_out()
        place.sts.open.set()
        with pytest.raises(LoginRequired):
            await waiter
        assert place.keeper.held_leases == {}
        assert await place.vault.load("me@state") is None

    play(story)


@pytest.mark.parametrize("then", [BOB, None], ids=["another login", "a logout"])
def test_a_dying_lease_is_not_served_to_whoever_comes_next(then: User | None) -> None:
    """Though it is still valid, and the mint that was to replace it failed."""

    async def story(place: Place) -> None:
        await place.log_in(ALICE)
        await place.ask()
        place.move(minutes=50)
        place.sts.open.clear()
        waiter = place.asking()
        await place.sts.called(2)
        await (place.log_in(then) if then else place.log_out())
        place.sts.open.set()
        with pytest.raises((WrongIdentity, LoginRequired)):
            await waiter

    play(story)


def test_a_renewal_begun_by_one_user_is_not_the_next_one_s() -> None:
    """Ahead of need, nobody waits for it; it is dropped all the same."""

    async def story(place: Place) -> None:
        await place.log_in(ALICE)
        await place.ask()
        place.move(minutes=44.5)
        place.sts.open.clear()
        await place.ask()
        await place.sts.called(2)
        await place.log_in(BOB)
        place.sts.open.set()
        await place.settle()
        assert place.keeper.held_leases == {}
        assert isinstance(place.reports[-1][1], WrongIdentity)

    play(story)


def test_the_same_user_s_new_login_keeps_the_leases() -> None:
    """The session was renewed, nothing else."""

    async def story(place: Place) -> None:
        await place.log_in(ALICE)
        first = await place.ask()
        await place.log_in(ALICE)
        assert await place.ask() is first

    play(story)


# What is told.


def test_every_mint_is_reported() -> None:
    """Done or failed, with the profile that asked first; what is served from memory is not."""

    async def story(place: Place) -> None:
        lease = await place.ask()
        await place.ask(a_profile(name="other"))
        place.sts.problems.append(StsRefused("no"))
        with pytest.raises(StsRefused) as refusal:
            await place.ask(a_profile(name="third", role_arn=OTHER_ARN))
        assert place.reports == [("data", lease), ("third", refusal.value)]

    play(story)


def test_the_audience_is_part_of_the_key() -> None:
    """An identity that is told to ask for another one gets other leases."""

    async def story(place: Place) -> None:
        await place.ask()
        place.source.claims = {"aud": ["sts.amazonaws.com", "vault"]}
        identity = BrokerIdentity("me", ISSUER, "vault", None)
        await place.ask(a_profile(identity=identity))
        assert place.sts.calls == 2

    play(story)
