"""Web identity tokens from a broker: each checked against the session that it was minted with."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TypeVar

import pytest

from agentkeys.broker import BrokerClient
from agentkeys.clock import SystemClock
from agentkeys.errors import (
    AgentkeysError,
    BrokerUnreachable,
    LoginFailed,
    LoginRequired,
    TokenInvalid,
    TokenUnconfined,
    VaultLocked,
    WrongIdentity,
)
from agentkeys.keeper import Keeper
from agentkeys.models import WebIdentityToken
from agentkeys.secret import Secret
from agentkeys.server_times import ServerTimes
from agentkeys.sessions import BrokerSession, parse_broker_session
from agentkeys.tokens import TokenSource
from agentkeys.tokens.broker import BrokerTokenSource
from agentkeys.tokens.sandbox import SandboxTokenSource
from tests.fakes.broker import MINT, FakeBroker
from tests.fakes.vault import FragileVault
from tests.support.calls import over_http
from tests.support.moved_clock import MovedClock
from tests.support.tokens import ALICE, BOB, CAROL, MISMADE, SHARED_OMNI, User

T = TypeVar("T")


class Place:
    """A source at work: the real keeper and client, a broker on loopback."""

    def __init__(
        self, broker: FakeBroker, client: BrokerClient, clock: MovedClock, times: ServerTimes
    ) -> None:
        self.broker = broker
        self.clock = clock
        self.vault = FragileVault()
        self.times = times
        self.keeper = Keeper(
            identity="me", account="me", vault=self.vault, clock=clock, times=times
        )
        self.source = BrokerTokenSource(
            broker=client, sessions=self.keeper.of(BrokerSession), times=times
        )
        self.logins = 0

    async def fetch(self, source: TokenSource | None = None) -> WebIdentityToken:
        """A token of whoever the source says it would be of."""
        source = source or self.source
        return await source.fetch_token(await source.subject())

    @property
    def sandbox(self) -> TokenSource:
        return SandboxTokenSource(source=self.source, log_in=self._log_in)

    async def log_in(self, user: User | None = None) -> BrokerSession:
        jwt = Secret(self.broker.session_jwt(user))
        session = parse_broker_session(jwt, url=self.broker.url)
        await self.keeper.keep_session(session)
        return session

    async def _log_in(self) -> None:
        self.logins += 1
        await self.log_in()


def play(story: Callable[[Place], Awaitable[T]], *users: User) -> T:
    clock = MovedClock()
    with FakeBroker(*users, clock=clock) as broker:
        return over_http(
            lambda transport: story(
                Place(
                    broker,
                    BrokerClient(url=broker.url, transport=transport),
                    clock,
                    transport.times,
                )
            )
        )


@pytest.mark.parametrize("user", [ALICE, BOB, CAROL], ids=["alice", "bob", "without a wallet"])
def test_a_session_gives_tokens_of_its_user(user: User) -> None:
    """A fresh one each time."""

    async def story(place: Place) -> None:
        await place.log_in(user)
        token = await place.fetch()
        await place.fetch()
        assert token.claims["agentkeys_user_wallet"] == user.subject
        assert token.issuer == place.broker.url
        assert place.broker.mints == 2

    play(story)


@pytest.mark.parametrize("how", [how for how in MISMADE if how != "for another audience"])
def test_no_mismade_token_is_passed_on(how: str) -> None:
    """Whatever the broker signs, and it costs nobody the session."""

    async def story(place: Place) -> None:
        await place.log_in()
        place.broker.mint_mismade(how)
        with pytest.raises((TokenInvalid, TokenUnconfined)):
            await place.fetch()
        assert await place.fetch()

    play(story)


def test_the_users_who_share_an_omni_get_no_token() -> None:
    """An old broker's e-mail sessions; refused at the mint, since a session may be kept."""

    async def story(place: Place) -> None:
        await place.log_in(User(SHARED_OMNI, identity_type="email"))
        with pytest.raises(TokenUnconfined, match="shares"):
            await place.fetch()

    play(story)


def test_a_session_the_broker_no_longer_takes_is_not_shown_again() -> None:
    """It stays kept, and says who was logged in, until somebody logs in."""

    async def story(place: Place) -> None:
        session = await place.log_in()
        place.broker.end_session(session.jwt.reveal())
        for _ in range(3):
            with pytest.raises(LoginRequired, match="no longer accepts") as refusal:
                await place.fetch()
            assert "agentkeys login" in refusal.value.hint
        assert place.broker.mints == 1
        assert place.keeper.held_session is session
        assert place.source.held_subject() == await place.source.subject()
        await place.log_in()
        assert await place.fetch()

    play(story)


def test_a_session_is_over_when_its_broker_s_clock_says_so() -> None:
    """Ours may be wrong: as long as it is the only one, the broker is asked for the time."""

    async def story(place: Place) -> None:
        await place.log_in()
        place.clock.set_wall(timedelta(hours=6))
        place.broker.clock = SystemClock()
        for _ in range(3):
            with pytest.raises(LoginRequired, match="has expired"):
                await place.fetch()
        assert [request.path for request in place.broker.requests] == ["/healthz"]


def test_a_wrong_clock_locks_nobody_out() -> None:
    """The session is alive by the broker's clock, and so are its tokens."""

    async def story(place: Place) -> None:
        await place.log_in()
        place.clock.set_wall(timedelta(hours=6))
        place.broker.clock = MovedClock()
        assert (await place.fetch()).subject

    play(story)


def test_an_expired_session_is_not_shown_at_all() -> None:
    """Thirty seconds before its end already; it still says whose leases are held."""

    async def story(place: Place) -> None:
        await place.log_in()
        before = await place.source.subject()
        place.times.observe(place.broker.url, timedelta(0))
        place.clock.move(timedelta(hours=5) - timedelta(seconds=30))
        with pytest.raises(LoginRequired, match="has expired"):
            await place.fetch()
        assert place.broker.mints == 0
        assert await place.source.subject() == before

    play(story)


def test_a_broker_that_is_away_costs_nobody_the_session() -> None:
    """Only its own 401 does."""

    async def story(place: Place) -> None:
        await place.log_in()
        place.broker.answer_with(MINT, 502, b"<html>")
        with pytest.raises(BrokerUnreachable):
            await place.fetch()
        assert await place.fetch()

    play(story)


def test_a_token_is_fetched_for_whom_it_was_asked() -> None:
    """Whoever has logged in since then gets none here, and the broker hears nothing."""

    async def story(place: Place) -> None:
        await place.log_in(ALICE)
        subject = await place.source.subject()
        await place.log_in(BOB)
        with pytest.raises(WrongIdentity, match="somebody else logged in"):
            await place.source.fetch_token(subject)
        assert place.broker.mints == 0

    play(story)


def test_a_session_is_never_shown_to_another_broker() -> None:
    """The configuration may have been changed since the login."""

    async def story(place: Place) -> None:
        jwt = Secret(place.broker.session_jwt())
        await place.keeper.keep_session(parse_broker_session(jwt, url="https://old.example.com"))
        with pytest.raises(LoginRequired, match=r"is for https://old\.example\.com"):
            await place.source.fetch_token("anybody")
        with pytest.raises(LoginRequired):
            await place.source.subject()
        assert place.source.held_subject() is None
        assert place.broker.requests == []

    play(story)


def test_without_a_login_there_is_no_subject() -> None:
    """And none is held, whether or not the vault was asked."""

    async def story(place: Place) -> None:
        assert place.source.held_subject() is None
        for asked in (place.source.subject(), place.source.fetch_token("anybody")):
            with pytest.raises(LoginRequired, match="nobody is logged in"):
                await asked

    play(story)


def test_different_users_are_told_apart() -> None:
    """By whatever of theirs a store may read, and the same user is the same after a new login."""

    async def story(place: Place) -> None:
        subjects = []
        for user in (ALICE, BOB, CAROL, User(BOB.omni, ALICE.wallet), User(ALICE.omni, BOB.wallet)):
            await place.log_in(user)
            subjects.append(await place.source.subject())
            await place.log_in(user)
            assert place.source.held_subject() == await place.source.subject() == subjects[-1]
        assert len(set(subjects)) == len(subjects)

    play(story)


def test_a_locked_vault_is_no_missing_login() -> None:
    """Telling somebody to log in again would not open it."""

    async def story(place: Place) -> None:
        place.vault.problem = VaultLocked("locked")
        for asked in (place.source.subject(), place.source.fetch_token("anybody")):
            with pytest.raises(VaultLocked):
                await asked

    play(story)


def test_a_login_between_session_and_answer_changes_nothing() -> None:
    """A token is held against the session that asked for it, and its 401 ends that one alone."""

    async def story(place: Place) -> None:
        first = await place.log_in()
        second = await place.log_in()
        place.keeper.refuse_session(first)
        assert place.keeper.held_session is second
        assert not place.keeper.is_refused
        assert await place.fetch()

    play(story)


# The sandbox's made-up user.


def test_the_sandbox_logs_in_by_itself() -> None:
    """Once; after that it is an identity like any other."""

    async def story(place: Place) -> tuple[str, WebIdentityToken]:
        source = place.sandbox
        assert source.held_subject() is None
        subject = await source.subject()
        assert source.held_subject() == subject
        token = await place.fetch(source)
        assert place.logins == 1
        return subject, token

    _, token = play(story)
    assert token.claims["agentkeys_user_wallet"] == ALICE.wallet


def test_the_sandbox_logs_in_once_however_many_ask() -> None:
    """And one that gives up does not take the login away from the others."""

    async def story(place: Place) -> None:
        source = place.sandbox
        first, second = (asyncio.ensure_future(source.subject()) for _ in range(2))
        await asyncio.sleep(0)
        first.cancel()
        assert await second == await source.subject()
        assert place.logins == 1

    play(story)


def test_the_sandbox_logs_in_again_after_its_broker_s_restart() -> None:
    """New keys end every session."""

    async def story(place: Place) -> None:
        session = await place.log_in()
        place.broker.end_session(session.jwt.reveal())
        assert await place.fetch(place.sandbox)
        assert (place.logins, place.broker.mints) == (1, 2)

    play(story)


def test_the_sandbox_tries_a_login_once_for_each_token() -> None:
    """A broker that refuses its own sessions is broken, and is told of."""

    async def story(place: Place) -> None:
        await place.log_in()
        place.broker.refuse_with(MINT, 401, "unauthorized")
        place.broker.refuse_with(MINT, 401, "unauthorized")
        with pytest.raises(LoginRequired):
            await place.fetch(place.sandbox)
        assert (place.logins, place.broker.mints) == (1, 2)

    play(story)


@pytest.mark.parametrize(
    ("failure", "kind"),
    [
        pytest.param(LoginFailed("the sandbox is gone"), LoginFailed, id="its own error"),
        pytest.param(TimeoutError(), BrokerUnreachable, id="no answer in time"),
    ],
)
def test_a_failing_login_of_the_sandbox_is_told(
    failure: Exception, kind: type[AgentkeysError]
) -> None:
    """Whoever asks, and whatever for."""

    async def story(place: Place) -> None:
        async def fail() -> None:
            raise failure

        source = SandboxTokenSource(source=place.source, log_in=fail)
        for asked in (source.subject(), source.fetch_token("anybody")):
            with pytest.raises(kind):
                await asked

    play(story)


@pytest.mark.parametrize("problem", [VaultLocked("locked"), BrokerUnreachable("down")])
def test_the_sandbox_logs_in_for_want_of_a_login_only(problem: AgentkeysError) -> None:
    """Not because something else went wrong."""

    async def story(place: Place) -> None:
        if isinstance(problem, VaultLocked):
            place.vault.problem = problem
        else:
            await place.log_in()
            place.broker.answer_with(MINT, 503)
        with pytest.raises(type(problem)):
            await place.fetch(place.sandbox)
        assert place.logins == 0

    play(story)
