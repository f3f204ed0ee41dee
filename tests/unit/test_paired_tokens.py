"""Web identity tokens of paired devices, which get a new session without anybody's help."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TypeVar

import pytest

from agentkeys.broker import BrokerClient
from agentkeys.errors import (
    BrokerRefused,
    BrokerUnreachable,
    LoginRequired,
    TokenUnconfined,
    VaultUnavailable,
    WrongIdentity,
)
from agentkeys.keeper import Keeper
from agentkeys.kept import decode_kept
from agentkeys.models import WebIdentityToken
from agentkeys.secret import Secret
from agentkeys.sessions import BrokerSession, DeviceProof, parse_broker_session
from agentkeys.tokens.broker import BrokerTokenSource
from agentkeys.transport import Transport
from tests.fakes.broker import MINT, RESOLVE, FakeBroker
from tests.fakes.vault import FragileVault
from tests.support.calls import over_http
from tests.support.devices import AGENT, DEVICE
from tests.support.moved_clock import MovedClock
from tests.support.samples import broker_sample
from tests.support.tokens import ALICE, BOB, TAGS, User, sign

T = TypeVar("T")
OTHER_AGENT = User(omni="a9e47" + "0" * 59, identity_type="agent_hdkd")


class Place:
    """A source at work, for a device that is bound at a broker on loopback."""

    def __init__(self, broker: FakeBroker, transport: Transport, clock: MovedClock) -> None:
        self.broker = broker
        self.clock = clock
        self.vault = FragileVault()
        self.transport = transport
        self.keeper = self.new_keeper()
        self.source = self.new_source()
        broker.devices[DEVICE.address] = AGENT

    def new_keeper(self) -> Keeper:
        return Keeper(
            identity="bot",
            account="bot",
            vault=self.vault,
            clock=self.clock,
            times=self.transport.times,
        )

    def new_source(self) -> BrokerTokenSource:
        return BrokerTokenSource(
            broker=BrokerClient(url=self.broker.url, transport=self.transport),
            sessions=self.keeper.of(BrokerSession),
            times=self.transport.times,
        )

    async def pair(
        self, user: User = AGENT, device: DeviceProof | None = DEVICE, **options: object
    ) -> BrokerSession:
        jwt = Secret(self.broker.session_jwt(user, **options))
        session = parse_broker_session(jwt, url=self.broker.url, device=device)
        await self.keeper.keep_session(session)
        return session

    async def pass_the_session_s_end(self) -> None:
        """By the broker's clock too, which is the same here."""
        self.transport.times.observe(self.broker.url, timedelta(0))
        self.clock.move(timedelta(hours=5))

    async def fetch(self) -> WebIdentityToken:
        return await self.source.fetch_token(await self.source.subject())

    @property
    def resolves(self) -> int:
        return len(self.broker.requests_to(RESOLVE))

    async def kept_session(self) -> BrokerSession:
        """What a daemon that starts now would find."""
        session = decode_kept(await self.vault.load("bot"), clock=self.clock).session
        assert isinstance(session, BrokerSession)
        return session


def play(story: Callable[[Place], Awaitable[T]], *, generation: int = 10) -> T:
    clock = MovedClock()
    with FakeBroker(AGENT, clock=clock, generation=generation) as broker:
        return over_http(lambda transport: story(Place(broker, transport, clock)))


def test_an_agent_s_token_is_of_its_omni() -> None:
    """It has no wallet, and its session is as good as any while it lasts."""

    async def story(place: Place) -> None:
        await place.pair()
        token = await place.fetch()
        assert token.claims["agentkeys_user_wallet"] == AGENT.omni
        assert token.claims["agentkeys_actor_omni"] == AGENT.omni
        assert token.subject == f"agentkeys:agent:{AGENT.omni}"
        assert place.resolves == 0

    play(story)


def test_a_session_that_is_over_is_replaced() -> None:
    """The new one is kept, with the proof, and minted with; it is of the same user as before."""

    async def story(place: Place) -> None:
        first = await place.pair()
        before = await place.source.subject()
        await place.pass_the_session_s_end()
        assert await place.fetch()
        [sent] = place.broker.requests_to(RESOLVE)
        assert sent.body == {**broker_sample("pairing-request.request"), "is_device": True}
        assert "authorization" not in sent.headers
        kept = await place.kept_session()
        assert kept == place.keeper.held_session != first
        assert kept.device == DEVICE
        assert kept.expires_at == place.clock.now() + timedelta(hours=5)
        assert await place.source.subject() == place.source.held_subject() == before

    play(story)


def test_a_session_that_the_broker_refuses_is_replaced() -> None:
    """Its operator has replaced the key: once for each token, and the token comes."""

    async def story(place: Place) -> None:
        session = await place.pair()
        place.broker.end_session(session.jwt.reveal())
        assert await place.fetch()
        assert (place.broker.mints, place.resolves) == (2, 1)
        assert await place.fetch()
        assert (place.broker.mints, place.resolves) == (3, 1)

    play(story)


def test_a_new_session_is_kept_before_it_is_used() -> None:
    """Whatever becomes of the mint, it is there for the next one."""

    async def story(place: Place) -> None:
        await place.pair()
        await place.pass_the_session_s_end()
        place.broker.answer_with(MINT, 503)
        with pytest.raises(BrokerUnreachable):
            await place.fetch()
        assert (await place.kept_session()).expires_at > place.clock.now()
        assert await place.fetch()
        assert place.resolves == 1

    play(story)


def test_a_vault_that_fails_costs_no_session() -> None:
    """It is used from memory, and the trouble is on record."""

    async def story(place: Place) -> None:
        await place.pair()
        await place.pass_the_session_s_end()
        place.vault.problem = VaultUnavailable("gone")
        assert await place.fetch()
        assert place.keeper.trouble is place.vault.problem

    play(story)


def test_many_who_ask_have_one_session_made() -> None:
    """And one that gives up does not take it away from the others."""

    async def story(place: Place) -> None:
        await place.pair()
        await place.pass_the_session_s_end()
        subject = await place.source.subject()
        with place.broker.stuck():
            fetches = [asyncio.ensure_future(place.source.fetch_token(subject)) for _ in range(8)]
            await asyncio.to_thread(place.broker.wait_for_request)
            fetches[0].cancel()
            await asyncio.sleep(0)
        tokens = await asyncio.gather(*fetches[1:])
        assert {token.subject for token in tokens} == {f"agentkeys:agent:{AGENT.omni}"}
        assert place.resolves == 1

    play(story)


def test_a_broker_that_refuses_its_own_new_session_is_not_asked_on_and_on() -> None:
    """One new session for one token."""

    async def story(place: Place) -> None:
        await place.pair()
        place.broker.answer_with(MINT, 401, times=2)
        with pytest.raises(LoginRequired):
            await place.fetch()
        assert (place.broker.mints, place.resolves) == (2, 1)

    play(story)


def test_a_revoked_device_is_told_who_can_help() -> None:
    """Nobody but its owner; the session stays, and so do the leases that are held."""

    async def story(place: Place) -> None:
        session = await place.pair()
        await place.pass_the_session_s_end()
        place.broker.devices.clear()
        with pytest.raises(BrokerRefused, match="not bound") as refusal:
            await place.fetch()
        assert "owner" in refusal.value.hint
        assert "--pair" in refusal.value.hint
        assert place.keeper.held_session is session

    play(story)


def test_a_mint_that_is_forbidden_names_the_binding() -> None:
    """The session is good, but the owner has not registered the device on chain."""

    async def story(place: Place) -> None:
        await place.pair()
        place.broker.answer_with(MINT, 403, broker_sample("error.403"))
        with pytest.raises(BrokerRefused, match="not bound yet") as refusal:
            await place.fetch()
        assert "bind its device" in refusal.value.hint
        assert place.resolves == 0

    play(story)


def test_an_older_broker_gives_no_new_session() -> None:
    """The machine is paired again."""

    async def story(place: Place) -> None:
        await place.pair()
        await place.pass_the_session_s_end()
        with pytest.raises(LoginRequired, match="gives devices no new one") as refusal:
            await place.fetch()
        assert refusal.value.hint == "run: agentkeys login --pair"

    play(story, generation=8)


def test_a_proof_that_is_not_taken_asks_for_a_pairing() -> None:
    """And is not repeated, whatever the broker says."""

    async def story(place: Place) -> None:
        await place.pair()
        await place.pass_the_session_s_end()
        proof = DEVICE.signature.reveal()
        place.broker.refuse_with(RESOLVE, 401, "unauthorized", f"bad {proof}")
        with pytest.raises(LoginRequired, match="does not take this device's proof") as refusal:
            await place.fetch()
        assert proof not in f"{refusal.value.message} {refusal.value.hint}"

    play(story)


@pytest.mark.parametrize("other", [OTHER_AGENT, ALICE], ids=["an agent", "a person"])
def test_a_session_of_anybody_else_is_neither_kept_nor_used(other: User) -> None:
    """Somebody has claimed the device for another account meanwhile."""

    async def story(place: Place) -> None:
        session = await place.pair()
        await place.pass_the_session_s_end()
        place.broker.devices[DEVICE.address] = other
        with pytest.raises(WrongIdentity, match="another agent than before"):
            await place.fetch()
        assert place.keeper.held_session is session
        assert place.broker.mints == 0

    play(story)


@pytest.mark.parametrize("answer", [{}, {"session_jwt": ""}, {"session_jwt": 7}])
def test_an_answer_without_a_session_is_none(answer: dict[str, object]) -> None:
    """A proxy's, for example."""

    async def story(place: Place) -> None:
        await place.pair()
        await place.pass_the_session_s_end()
        place.broker.answer_with(RESOLVE, 200, answer)
        with pytest.raises(BrokerUnreachable, match="something else than a session"):
            await place.fetch()

    play(story)


def test_a_new_session_that_is_over_already_is_not_kept() -> None:
    """Or the device would ask for one after the other."""

    async def story(place: Place) -> None:
        first = await place.pair()
        await place.pass_the_session_s_end()
        place.broker.answer_with(RESOLVE, 200, {"session_jwt": first.jwt.reveal()})
        with pytest.raises(BrokerUnreachable, match="is over already"):
            await place.fetch()
        assert place.keeper.held_session is first

    play(story)


@pytest.mark.parametrize("device", [None, DEVICE], ids=["a person", "a device"])
def test_a_login_that_comes_in_between_stays(device: DeviceProof | None) -> None:
    """A new session of the old user never replaces it."""

    async def story(place: Place) -> None:
        await place.pair()
        await place.pass_the_session_s_end()
        with place.broker.stuck():
            fetch = asyncio.ensure_future(place.fetch())
            await asyncio.to_thread(place.broker.wait_for_request)
            other = await place.pair(BOB, device)
        with pytest.raises(WrongIdentity, match="somebody else logged in"):
            await fetch
        assert place.keeper.held_session is other
        assert place.broker.mints == 0

    play(story)


def test_a_logout_that_comes_in_between_stays() -> None:
    """Nobody is logged in after it."""

    async def story(place: Place) -> None:
        await place.pair()
        await place.pass_the_session_s_end()
        with place.broker.stuck():
            fetch = asyncio.ensure_future(place.fetch())
            await asyncio.to_thread(place.broker.wait_for_request)
            await place.keeper.forget_session()
        with pytest.raises(LoginRequired, match="nobody is logged in"):
            await fetch
        assert place.keeper.held_session is None
        assert await place.vault.load("bot") is None

    play(story)


def test_a_session_without_a_proof_needs_a_person() -> None:
    """As before: nothing is asked for in its name."""

    async def story(place: Place) -> None:
        await place.pair(device=None)
        await place.pass_the_session_s_end()
        with pytest.raises(LoginRequired, match="has expired"):
            await place.fetch()
        assert place.broker.requests == []

    play(story)


def test_a_daemon_that_starts_anew_goes_on() -> None:
    """The proof is kept with the session, and nothing else is needed."""

    async def story(place: Place) -> None:
        await place.pair()
        await place.pass_the_session_s_end()
        place.keeper = place.new_keeper()
        assert await place.new_source().fetch_token(await place.new_source().subject())

    play(story)


# Brokers that are too old.


@pytest.mark.parametrize(
    ("generation", "said"), [(1, "April 2026"), (2, "5 May 2026")], ids=["g1", "g2"]
)
def test_a_broker_without_confined_tokens_is_told_by_its_generation(
    generation: int, said: str
) -> None:
    """With what to ask its operator for."""

    async def story(place: Place) -> None:
        await place.pair()
        kind = BrokerRefused if generation == 1 else TokenUnconfined
        if generation == 2:
            claims = place.broker.web_identity_claims(AGENT, generation=10)
            del claims[TAGS]
            place.broker.mint_next(sign(claims))
        with pytest.raises(kind, match=said) as refusal:
            await place.fetch()
        assert "ask its operator for a broker of June 2026" in refusal.value.hint

    play(story, generation=generation)


def test_a_broker_of_today_that_forgets_the_tags_is_not_called_old() -> None:
    """It says itself that it knows them."""

    async def story(place: Place) -> None:
        await place.pair()
        place.broker.mint_mismade("without tags", AGENT)
        with pytest.raises(TokenUnconfined, match="no session tags") as refusal:
            await place.fetch()
        assert "generation" not in refusal.value.message

    play(story)


def test_an_issuer_that_is_no_broker_is_told() -> None:
    """It has a discovery document, but mints nothing for a session."""

    async def story(place: Place) -> None:
        await place.pair()
        place.broker.answer_with(MINT, 404)
        place.broker.answer_with(
            "/.well-known/openid-configuration", 200, {"claims_supported": "sub"}
        )
        with pytest.raises(BrokerRefused, match="is no agentKeys broker") as refusal:
            await place.fetch()
        assert 'source = "oidc"' in refusal.value.hint

    play(story)


def test_a_person_s_mint_that_is_forbidden_names_no_device() -> None:
    """They have none."""

    async def story(place: Place) -> None:
        await place.pair(ALICE, None)
        place.broker.answer_with(MINT, 403, broker_sample("error.403.grant"))
        with pytest.raises(BrokerRefused) as refusal:
            await place.fetch()
        assert "device" not in refusal.value.hint

    play(story)
