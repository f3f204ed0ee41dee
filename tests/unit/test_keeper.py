"""What is held for one identity, in memory and in the vault."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

from agentkeys.errors import LoginRequired, VaultError, VaultLocked, VaultUnavailable
from agentkeys.keeper import Keeper
from agentkeys.kept import Kept, decode_kept, encode_kept
from agentkeys.secret import Secret
from agentkeys.server_times import ServerTimes
from agentkeys.sessions import BrokerSession, parse_broker_session
from tests.fakes.vault import FragileVault
from tests.support.moved_clock import MovedClock
from tests.support.profiles import a_lease
from tests.support.tokens import ALICE, BOB, ISSUER, User, session_jwt

ACCOUNT = "me@0123abcd"


JWTS = {user.omni + user.wallet: session_jwt(user) for user in (ALICE, BOB, User(ALICE.omni))}


def session_of(user: User = ALICE) -> BrokerSession:
    """The same session each time, as another object."""
    return parse_broker_session(Secret(JWTS[user.omni + user.wallet]), url=ISSUER)


class Place:
    """A keeper in front of a vault that may fail."""

    def __init__(self) -> None:
        self.clock = MovedClock()
        self.times = ServerTimes(clock=self.clock)
        self.vault = FragileVault()
        self.keeper = self.another()

    def another(self) -> Keeper:
        """The keeper of a restarted daemon."""
        return self.of("me", ACCOUNT)

    def of(self, identity: str, account: str) -> Keeper:
        return Keeper(
            identity=identity,
            account=account,
            vault=self.vault,
            clock=self.clock,
            times=self.times,
        )

    def is_refused(self) -> bool:
        return self.keeper.is_refused

    def trouble(self) -> VaultError | None:
        return self.keeper.trouble

    async def kept(self) -> Kept | None:
        """What the vault holds; None when it has no entry."""
        blob = await self.vault.load(ACCOUNT)
        return decode_kept(blob, clock=self.clock) if blob else None


def play(story: Callable[[Place], Awaitable[None]]) -> None:
    async def whole() -> None:
        await story(Place())

    asyncio.run(whole())


def test_a_new_identity_holds_nothing() -> None:
    """And says so only once the vault has been read."""

    async def story(place: Place) -> None:
        keeper = place.keeper
        assert (keeper.is_loaded, keeper.held_session, keeper.held_leases) == (False, None, {})
        with pytest.raises(LoginRequired, match="nobody is logged in as me") as refusal:
            await keeper.last_session()
        assert refusal.value.hint == "run: agentkeys login me"
        assert keeper.is_loaded

    play(story)


def test_everything_outlives_the_daemon() -> None:
    """Session and leases, in one entry."""

    async def story(place: Place) -> None:
        await place.keeper.keep_session(session_of())
        place.keeper.keep_lease("digest", a_lease())
        await place.keeper.flush()
        later = place.another()
        await later.load()
        assert later.held_session == session_of() == await later.session()
        assert later.held_leases == {"digest": a_lease()}
        assert place.vault.loads == 1

    play(story)


def test_the_vault_is_read_once() -> None:
    """However many ask at the same time."""

    async def story(place: Place) -> None:
        place.vault.open.clear()
        loads = [asyncio.ensure_future(place.keeper.load()) for _ in range(20)]
        await asyncio.sleep(0)
        place.vault.open.set()
        await asyncio.gather(*loads)
        await place.keeper.load()
        assert place.vault.loads == 1

    play(story)


@pytest.mark.parametrize("problem", [VaultLocked("locked"), VaultUnavailable("gone")])
def test_a_vault_that_cannot_be_read_is_not_an_empty_one(problem: VaultError) -> None:
    """The user is told to unlock it, not to log in; once it opens all is there."""

    async def story(place: Place) -> None:
        await place.keeper.keep_session(session_of())
        keeper = place.another()
        place.vault.problem = problem
        for asked in (keeper.load, keeper.session, keeper.last_session):
            with pytest.raises(type(problem)):
                await asked()
        assert not keeper.is_loaded
        place.vault.problem = None
        assert await keeper.session() == session_of()

    play(story)


def test_a_login_while_the_vault_is_read_wins() -> None:
    """What comes out of the vault is older."""

    async def story(place: Place) -> None:
        await place.keeper.keep_session(session_of(ALICE))
        keeper = place.another()
        place.vault.open.clear()
        loading = asyncio.ensure_future(keeper.load())
        await asyncio.sleep(0)
        keeping = asyncio.ensure_future(keeper.keep_session(session_of(BOB)))
        await asyncio.sleep(0)
        place.vault.open.set()
        await asyncio.gather(loading, keeping)
        assert keeper.held_session == session_of(BOB)
        kept = await place.kept()
        assert kept is not None
        assert kept.session == session_of(BOB)

    play(story)


def test_a_session_that_ends_is_for_looking_at_only() -> None:
    """It still says who was logged in."""

    async def story(place: Place) -> None:
        await place.keeper.keep_session(session_of())
        place.clock.move(timedelta(hours=5))
        # Nobody has told the time yet: it is for the broker to refuse.
        assert await place.keeper.session() == session_of()
        place.times.observe(ISSUER, timedelta(0))
        with pytest.raises(LoginRequired, match="the session of me has expired"):
            await place.keeper.session()
        assert await place.keeper.last_session() == session_of()

    play(story)


def test_a_refused_session_is_kept_but_not_used() -> None:
    """Until the next login; a restarted daemon asks the broker once more."""

    async def story(place: Place) -> None:
        session = session_of()
        await place.keeper.keep_session(session)
        assert not place.is_refused()
        place.keeper.refuse_session(session)
        assert place.is_refused()
        with pytest.raises(LoginRequired, match="no longer accepts me's session"):
            await place.keeper.session()
        assert await place.keeper.last_session() is session
        assert await place.another().session() == session
        await place.keeper.keep_session(session_of())
        assert not place.is_refused()

    play(story)


def test_nothing_is_refused_while_nobody_is_logged_in() -> None:
    """No session is not a refused one."""

    async def story(place: Place) -> None:
        assert not place.is_refused()
        place.keeper.refuse_session(session_of())
        assert not place.is_refused()

    play(story)


@pytest.mark.parametrize(
    ("user", "stays"),
    [
        pytest.param(ALICE, True, id="the same user"),
        pytest.param(BOB, False, id="another user"),
        pytest.param(User(ALICE.omni), False, id="the same account without its wallet"),
    ],
)
def test_leases_go_with_their_user(user: User, stays: bool) -> None:
    """In memory and in the vault."""

    async def story(place: Place) -> None:
        await place.keeper.keep_session(session_of(ALICE))
        place.keeper.keep_lease("digest", a_lease())
        await place.keeper.keep_session(session_of(user))
        assert ("digest" in place.keeper.held_leases) == stays
        kept = await place.kept()
        assert kept is not None
        assert ("digest" in kept.leases) == stays
        await place.keeper.flush()

    play(story)


def test_leases_of_nobody_known_go_at_a_login() -> None:
    """They cannot be told to be the new user's."""

    async def story(place: Place) -> None:
        place.keeper.keep_lease("digest", a_lease())
        await place.keeper.keep_session(session_of())
        assert place.keeper.held_leases == {}
        await place.keeper.flush()

    play(story)


def test_a_failing_vault_costs_nothing_in_memory() -> None:
    """The trouble is told until a write succeeds."""

    async def story(place: Place) -> None:
        place.vault.problem = VaultLocked("locked")
        await place.keeper.keep_session(session_of())
        place.keeper.keep_lease("digest", a_lease())
        await place.keeper.flush()
        assert place.trouble() is place.vault.problem
        assert await place.keeper.session() == session_of()
        assert place.keeper.held_leases == {"digest": a_lease()}
        place.vault.problem = None
        place.keeper.keep_lease("other", a_lease(number=2))
        await place.keeper.flush()
        assert place.trouble() is None
        kept = await place.kept()
        assert kept is not None
        assert set(kept.leases) == {"digest", "other"}

    play(story)


def test_expired_leases_are_dropped_at_the_next_write() -> None:
    """A daemon that runs for months does not grow."""

    async def story(place: Place) -> None:
        place.keeper.keep_lease("old", a_lease())
        await place.keeper.flush()
        place.clock.move(timedelta(hours=1))
        place.keeper.keep_lease("new", a_lease(minted_at=place.clock.now()))
        await place.keeper.flush()
        assert set(place.keeper.held_leases) == {"new"}

    play(story)


def test_a_lease_is_served_before_it_is_written() -> None:
    """A keyring takes its time."""

    async def story(place: Place) -> None:
        place.vault.open.clear()
        place.keeper.keep_lease("digest", a_lease())
        assert "digest" in place.keeper.held_leases
        place.vault.open.set()
        await place.keeper.flush()
        assert place.vault.saves == 1

    play(story)


def test_a_lease_kept_during_a_write_is_written_too() -> None:
    """The entry in the vault is never older than the last of them."""

    async def story(place: Place) -> None:
        place.vault.open.clear()
        place.keeper.keep_lease("one", a_lease())
        await asyncio.sleep(0)
        place.keeper.keep_lease("two", a_lease(number=2))
        await asyncio.sleep(0)
        place.vault.open.set()
        await place.keeper.flush()
        kept = await place.kept()
        assert kept is not None
        assert set(kept.leases) == {"one", "two"}

    play(story)


def test_forgetting_leaves_nothing_anywhere() -> None:
    """And nothing to read again: the vault's answer is known."""

    async def story(place: Place) -> None:
        await place.keeper.keep_session(session_of())
        place.keeper.keep_lease("digest", a_lease())
        await place.keeper.flush()
        await place.keeper.forget_session()
        assert (place.keeper.held_session, place.keeper.held_leases) == (None, {})
        assert await place.kept() is None
        loads = place.vault.loads
        with pytest.raises(LoginRequired):
            await place.keeper.session()
        assert place.vault.loads == loads

    play(story)


@pytest.mark.parametrize("turns", range(4))
def test_a_write_under_way_does_not_bring_back_what_is_forgotten(turns: int) -> None:
    """However far it has come, nothing is left in the vault."""

    async def story(place: Place) -> None:
        await place.keeper.keep_session(session_of())
        place.vault.open.clear()
        place.keeper.keep_lease("digest", a_lease())
        for _ in range(turns):
            await asyncio.sleep(0)
        forgetting = asyncio.ensure_future(place.keeper.forget_session())
        await asyncio.sleep(0)
        place.vault.open.set()
        await forgetting
        await place.keeper.flush()
        assert await place.kept() is None

    play(story)


def test_a_write_that_comes_after_forgetting_leaves_no_empty_entry() -> None:
    """It was begun before, and finds nothing left to keep."""

    async def story(place: Place) -> None:
        await place.keeper.keep_session(session_of())
        place.keeper.keep_lease("digest", a_lease())
        await place.keeper.forget_session()
        await place.keeper.flush()
        assert await place.vault.load(ACCOUNT) is None

    play(story)


def test_what_cannot_be_forgotten_is_told() -> None:
    """It would be back after a restart; in memory it is gone at once."""

    async def story(place: Place) -> None:
        await place.keeper.keep_session(session_of())
        place.vault.problem = VaultLocked("locked")
        with pytest.raises(VaultLocked):
            await place.keeper.forget_session()
        assert place.keeper.held_session is None

    play(story)


def test_an_entry_is_replaced_by_a_login_without_reading_it() -> None:
    """One that nobody can read any more does not stand in the way."""

    async def story(place: Place) -> None:
        await place.vault.save(ACCOUNT, Secret("garbage"))
        await place.keeper.keep_session(session_of())
        assert place.vault.loads == 0
        assert await place.another().session() == session_of()

    play(story)


def test_identities_do_not_share_entries() -> None:
    """Each has an account of its own."""

    async def story(place: Place) -> None:
        other = place.of("you", "you")
        await place.keeper.keep_session(session_of(ALICE))
        await other.keep_session(session_of(BOB))
        assert await place.another().session() == session_of(ALICE)
        assert await place.vault.load("you") == encode_kept(Kept(session_of(BOB), {}))

    play(story)
