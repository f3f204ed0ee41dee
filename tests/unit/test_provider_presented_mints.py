"""What a presented token gets: credentials of its own, minted once, or a clear refusal."""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import Callable, Coroutine
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from agentkeys.errors import (
    AgentkeysError,
    StsBusy,
    StsError,
    StsRefused,
    StsTokenRefused,
    StsUnreachable,
    TokenInvalid,
    TokenUnconfined,
    WrongIdentity,
)
from agentkeys.models import Confinement, RoleArn
from agentkeys.provider.presented import PresentedToken
from agentkeys.provider.presented_mints import FAILURES
from agentkeys.secret import Secret
from tests.support.hasty_loop import HastyLoop, run_hastily
from tests.support.moved_clock import SAMPLE_NOW
from tests.support.oidc_place import an_identity
from tests.support.profiles import a_profile
from tests.support.providing import ProviderPlace, a_request
from tests.support.tokens import ALICE, BOB, MISMADE, mismade_jwt, sign, web_identity_claims

Story = Callable[[ProviderPlace], Coroutine[Any, Any, None]]


def play(story: Story, **options: Any) -> ProviderPlace:
    place = ProviderPlace(**options)
    asyncio.run(story(place))
    return place


# what is served


def test_a_token_becomes_credentials_and_a_place() -> None:
    """The user's own prefix comes with them."""

    async def story(place: ProviderPlace) -> None:
        served = await place.ask(place.token())
        assert served.access_key_id == "ASIA0000000000000001"
        assert (served.bucket, served.prefix) == ("agentkeys", f"bots/{ALICE.wallet}/")
        assert served.expires_at == place.clock.now() + timedelta(hours=1)
        assert "secret-1" not in repr(served)

    play(story)


def test_the_same_token_is_traded_once() -> None:
    """However many present it at once, and after that."""

    async def story(place: ProviderPlace) -> None:
        token = place.token()
        place.sts.open.clear()
        asking = [place.asking(token) for _ in range(32)]
        await place.sts.called()
        place.sts.open.set()
        found = {served.access_key_id for served in await asyncio.gather(*asking)}
        assert found == {(await place.ask(token)).access_key_id}
        assert place.sts.calls == 1

    play(story)


def test_a_caller_that_gives_up_takes_nobody_down() -> None:
    """The others that wait for the same token get its credentials."""

    async def story(place: ProviderPlace) -> None:
        token = place.token()
        place.sts.open.clear()
        first, second = place.asking(token), place.asking(token)
        await place.sts.called()
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        place.sts.open.set()
        assert (await second).access_key_id == "ASIA0000000000000001"
        assert place.sts.calls == 1

    play(story)


def test_another_token_of_the_same_user_shares_nothing() -> None:
    """What a token says of itself is not known to be true before the store has taken it."""

    async def story(place: ProviderPlace) -> None:
        claims = web_identity_claims(at=place.clock.now())
        first = await place.ask(sign(claims))
        place.sts.problems.append(StsTokenRefused("bad signature"))
        with pytest.raises(StsTokenRefused):
            await place.ask(sign(claims, key="forged"))
        again = await place.ask(sign(claims | {"jti": "another"}))
        assert again.access_key_id != first.access_key_id
        assert place.sts.calls == 3

    play(story)


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "other"},
        {"role_arn": RoleArn("arn:aws:iam::000000000001:role/other")},
        {"duration": timedelta(minutes=30)},
        {"confine": Confinement("role")},
        {"policy": "{}"},
        {"expect_wallet": None},
        {"expect_subject": f"agentkeys:agent:{ALICE.wallet}"},
        {"prefix": "agents/{wallet}/"},
    ],
)
def test_another_profile_shares_nothing(changes: dict[str, Any]) -> None:
    """Whatever term it is that differs."""

    async def story(place: ProviderPlace) -> None:
        token = place.token()
        profile = a_profile(expect_wallet=ALICE.wallet)
        first = await place.ask(token, profile)
        second = await place.ask(token, replace(profile, **changes))
        assert first.access_key_id != second.access_key_id
        assert place.sts.calls == 2

    play(story)


# what no store gets to see


# Only a session could tell that these are not true; here it is for the store to say.
SOUND = {"by another issuer", "with another's omni", "with another's wallet"}


@pytest.mark.parametrize("how", sorted(set(MISMADE) - SOUND))
def test_a_mismade_token_is_never_traded(how: str) -> None:
    """All that the daemon checks is checked here, however often the token is presented."""

    async def story(place: ProviderPlace) -> None:
        token = mismade_jwt(how, web_identity_claims(at=place.clock.now()))
        for _ in range(2):
            with pytest.raises((TokenInvalid, TokenUnconfined)):
                await place.ask(token)

    assert play(story).sts.calls == 0


@pytest.mark.parametrize(
    "pins", [{"expect_wallet": BOB.wallet}, {"expect_subject": f"agentkeys:agent:{BOB.wallet}"}]
)
def test_a_pinned_profile_is_for_one_user(pins: dict[str, str]) -> None:
    """And the hint sends nobody to log in, since nobody can."""

    async def story(place: ProviderPlace) -> None:
        with pytest.raises(WrongIdentity) as refusal:
            await place.ask(place.token(), a_profile(**pins))
        assert "login" not in refusal.value.hint

    assert play(story).sts.calls == 0


def test_a_user_without_a_place_gets_nothing() -> None:
    """A prefix that the token does not fill is found out before the store is asked."""

    async def story(place: ProviderPlace) -> None:
        with pytest.raises(TokenUnconfined, match="team claim"):
            await place.ask(place.token(), a_profile(prefix="teams/{claim:team}/"))

    assert play(story).sts.calls == 0


def test_a_profile_may_have_no_place() -> None:
    """Then the role alone says what its users may touch."""

    async def story(place: ProviderPlace) -> None:
        assert (await place.ask(place.token(), a_profile(prefix=None))).prefix is None

    play(story)


def test_nobody_is_known_before_the_store_has_spoken() -> None:
    """A source of one token has no subject of its own."""
    source = PresentedToken(
        Secret("a.b.c"), profile=a_profile(), exchange=ProviderPlace().sts, now=lambda: SAMPLE_NOW
    )
    assert asyncio.run(source.subject()) == ""
    assert source.held_subject() is None
    assert source.expires_at < SAMPLE_NOW


@pytest.mark.parametrize(("issuer", "calls"), [("https://id.example.com", 1), ("https://evil", 0)])
def test_a_token_must_be_of_its_identity_s_issuer(issuer: str, calls: int) -> None:
    """Some stores do not look at it."""
    identity = an_identity("https://id.example.com", name="staff", client_id="files")
    profile = a_profile(identity=identity, confine=Confinement("claim", "sub"), prefix="{sub}/")

    async def story(place: ProviderPlace) -> None:
        now = int(place.clock.now().timestamp())
        token = sign({"iss": issuer, "sub": "ada", "aud": "files", "exp": now + 300})
        if calls:
            assert (await place.ask(token, profile)).prefix == "ada/"
        else:
            with pytest.raises(TokenUnconfined, match="'https://evil'"):
                await place.ask(token, profile)

    assert play(story).sts.calls == calls


# refusals


def test_a_refused_token_is_not_shown_again() -> None:
    """Not in the same call, not by others that wait, and not in the minute after."""

    async def story(place: ProviderPlace) -> None:
        token = place.token()
        place.sts.problems.append(StsTokenRefused("bad signature", sts_code="InvalidIdentityToken"))
        refusals = await asyncio.gather(
            *(place.ask(token) for _ in range(8)), return_exceptions=True
        )
        for _ in range(29):
            place.clock.move(timedelta(seconds=2))
            with pytest.raises(StsTokenRefused) as refusal:
                await place.ask(token)
            refusals.append(refusal.value)
        assert {type(refusal) for refusal in refusals} == {StsTokenRefused}
        assert {getattr(refusal, "sts_code", "") for refusal in refusals} == {
            "InvalidIdentityToken"
        }
        assert place.sts.calls == 1
        place.clock.move(timedelta(seconds=30))
        await place.ask(token)

    play(story)


@pytest.mark.parametrize("problem", [StsBusy("later"), StsUnreachable("down"), StsRefused("no")])
def test_a_failure_is_not_repeated_for_every_caller(problem: StsError) -> None:
    """For a few seconds all of them hear of the same one; then the store is asked again."""

    async def story(place: ProviderPlace) -> None:
        token = place.token()
        place.sts.problems.extend([problem] * 3)
        for _ in range(5):
            with pytest.raises(type(problem)):
                await place.ask(token)
        calls = place.sts.calls
        assert calls == (3 if problem.retryable else 1)
        place.sts.problems.clear()
        place.clock.move(timedelta(seconds=5))
        await place.ask(token)
        assert place.sts.calls == calls + 1

    play(story)


def test_one_user_s_failure_is_nobody_else_s() -> None:
    """The next token is tried, whoever was refused before."""

    async def story(place: ProviderPlace) -> None:
        place.sts.problems.append(StsTokenRefused("no"))
        with pytest.raises(StsTokenRefused):
            await place.ask(place.token())
        assert (await place.ask(place.token(BOB))).wallet == BOB.wallet

    play(story)


def test_a_flood_of_forged_tokens_costs_no_memory() -> None:
    """Only so many failures are remembered, and nothing that is held goes for them."""

    async def story(place: ProviderPlace) -> None:
        good = place.token()
        await place.ask(good)
        for number in range(FAILURES + 10):
            place.sts.problems.append(StsTokenRefused("no"))
            claims = web_identity_claims(at=place.clock.now()) | {"jti": number}
            with pytest.raises(StsTokenRefused):
                await place.ask(sign(claims, key="forged"))
        calls = place.sts.calls
        await place.ask(good)
        assert place.sts.calls == calls
        gc.collect()
        kept = [found for found in gc.get_objects() if type(found) is StsTokenRefused]
        assert len(kept) <= FAILURES + 10

    play(story)


# time


def test_what_is_due_is_renewed_while_it_is_served() -> None:
    """Nobody waits, and the next caller has the new ones."""

    async def story(place: ProviderPlace) -> None:
        token = place.token()
        first = await place.ask(token)
        place.clock.move(timedelta(minutes=43))
        assert await place.ask(token) == first
        await place.settled()
        second = await place.ask(token)
        assert second.access_key_id != first.access_key_id
        assert second.expires_at == place.clock.now() + timedelta(hours=1)

    assert play(story).sts.calls == 2


def test_what_is_dying_is_minted_anew_first() -> None:
    """A caller gets what lasts longer."""

    async def story(place: ProviderPlace) -> None:
        token = place.token()
        await place.ask(token)
        place.clock.move(timedelta(minutes=50))
        assert (await place.ask(token)).access_key_id == "ASIA0000000000000002"

    play(story)


def test_what_is_dying_is_served_while_the_store_is_down(caplog: pytest.LogCaptureFixture) -> None:
    """A warning says so, without a secret; when it is over, the error comes through."""

    async def story(place: ProviderPlace) -> None:
        token = place.token()
        first = await place.ask(token)
        place.clock.move(timedelta(minutes=50))
        place.sts.problems.extend([StsUnreachable("down", hint="wait")] * 3)
        with caplog.at_level(logging.WARNING, "agentkeys.provider"):
            assert await place.ask(token) == first
            assert await place.ask(token) == first
        [line] = caplog.messages
        assert "…0001 of profile data" in line
        assert "down (wait)" in line
        assert token not in line
        place.sts.problems.extend([StsUnreachable("still down")] * 3)
        place.clock.move(timedelta(minutes=10))
        with pytest.raises(StsUnreachable):
            await place.ask(token)

    play(story)


def test_a_store_that_hangs_holds_up_nobody_for_long() -> None:
    """While something good is there, callers wait for three seconds at most."""

    async def story() -> None:
        place = ProviderPlace(patience=timedelta(seconds=3))
        token = place.token()
        first = await place.ask(token)
        place.clock.move(timedelta(minutes=50))
        place.sts.open.clear()
        asking = place.asking(token)
        await place.sts.called(2)
        loop = asyncio.get_running_loop()
        assert isinstance(loop, HastyLoop)
        loop.skip(3)
        assert await asking == first
        await place.mints.aclose()

    run_hastily(story())


def test_a_token_that_is_over_buys_nothing() -> None:
    """Not even what it has bought before: who finds one in a log is nobody."""

    async def story(place: ProviderPlace) -> None:
        token = place.token(lifetime=timedelta(minutes=5))
        await place.ask(token)
        place.clock.move(timedelta(minutes=5))
        with pytest.raises(TokenInvalid, match="already expired"):
            await place.ask(token)

    assert play(story).sts.calls == 1


def test_by_the_store_s_clock() -> None:
    """It decides, since it would have to take the token."""

    async def story(place: ProviderPlace) -> None:
        place.sts.ahead = place.sts.told_ahead = timedelta(minutes=2)
        token = place.token(lifetime=timedelta(minutes=5))
        await place.ask(token)
        place.clock.move(timedelta(minutes=2, seconds=59))
        await place.ask(token)
        assert place.held.get(a_request(token).key)
        place.clock.move(timedelta(seconds=1))
        await place.ask(token)
        assert place.sts.calls == 2

    play(story)


# invalidating


def test_rejected_credentials_are_replaced_once() -> None:
    """However many callers were rejected with them."""

    async def story(place: ProviderPlace) -> None:
        token = place.token()
        first = await place.ask(token)
        assert [place.held.drop(first.access_key_id) for _ in range(3)] == [True, False, False]
        second = await place.ask(token)
        assert second.access_key_id != first.access_key_id
        assert not place.held.drop(first.access_key_id)
        assert await place.ask(token) == second
        assert place.sts.calls == 2

    play(story)


@pytest.mark.parametrize("succeeds", [True, False])
def test_credentials_rejected_during_a_mint_are_served_to_nobody(succeeds: bool) -> None:
    """Not to those either who wait for that mint, however it ends."""

    async def story(place: ProviderPlace) -> None:
        token = place.token()
        first = await place.ask(token)
        place.clock.move(timedelta(minutes=50))
        place.sts.open.clear()
        asking = [place.asking(token) for _ in range(4)]
        await place.sts.called(2)
        assert place.held.drop(first.access_key_id)
        if not succeeds:
            place.sts.problems.append(StsRefused("no"))
        place.sts.open.set()
        found: list[Any] = await asyncio.gather(*asking, return_exceptions=True)
        if succeeds:
            assert {served.access_key_id for served in found} == {"ASIA0000000000000002"}
            assert await place.ask(token) == found[0]
        else:
            # Some may have begun the next mint, which goes well.
            assert first not in found

    play(story)


# the end


def test_after_the_end_there_is_an_error() -> None:
    """For those who wait as well, who must not think that they were cancelled."""

    async def story(place: ProviderPlace) -> None:
        place.sts.open.clear()
        asking = [place.asking(place.token(user)) for user in (ALICE, BOB)]
        await place.sts.called(2)
        await place.mints.aclose()
        for task in asking:
            with pytest.raises(RuntimeError, match="the provider is closed"):
                await task
        with pytest.raises(RuntimeError, match="the provider is closed"):
            await place.ask(place.token())

    play(story)


def test_it_belongs_to_one_event_loop() -> None:
    """Its connections do; another loop would wait for ever."""
    place = play(lambda place: place.ask(place.token()))  # type: ignore[arg-type, return-value]
    with pytest.raises(RuntimeError, match="another event loop"):
        asyncio.run(place.ask(place.token(BOB)))


def test_an_error_keeps_no_token() -> None:
    """One that is remembered holds on to nothing that was on the way."""

    async def story(place: ProviderPlace) -> None:
        token = place.token()
        place.sts.problems.append(StsRefused("no"))
        with pytest.raises(StsRefused):
            await place.ask(token)
        with pytest.raises(AgentkeysError) as again:
            await place.ask(token)
        assert again.value.__cause__ is again.value.__context__ is None

    play(story)
