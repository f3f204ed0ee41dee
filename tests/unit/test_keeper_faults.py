"""A keyring that fails at any call never loses what was just minted."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentkeys.errors import VaultError
from agentkeys.keeper import Keeper
from agentkeys.secret import Secret
from agentkeys.server_times import ServerTimes
from agentkeys.sessions import BrokerSession, parse_broker_session
from tests.fakes.vault import Fault, FaultyVault
from tests.support.moved_clock import MovedClock
from tests.support.profiles import a_lease
from tests.support.tokens import ALICE, ISSUER, session_jwt

ACCOUNT = "me@0123abcd"
JWT = session_jwt(ALICE)
WELL_AGAIN = 100
"""More calls than any story makes."""


def session() -> BrokerSession:
    return parse_broker_session(Secret(JWT), url=ISSUER)


def keeper_of(vault: FaultyVault, clock: MovedClock | None = None) -> Keeper:
    clock = clock or MovedClock()
    times = ServerTimes(clock=clock)
    return Keeper(identity="me", account=ACCOUNT, vault=vault, clock=clock, times=times)


async def others_done() -> None:
    """Returns when whatever goes on by itself has come to its end."""
    while others := asyncio.all_tasks() - {asyncio.current_task()}:
        await asyncio.wait(others)


async def mint(keeper: Keeper, number: int) -> None:
    """Keeps a lease, and looks at once whether it can be served."""
    keeper.keep_lease(f"digest-{number}", a_lease(number=number))
    assert keeper.held_leases[f"digest-{number}"] == a_lease(number=number)


async def live(keeper: Keeper, vault: FaultyVault) -> None:
    """A login and three mints, each of which is written; a vault that hangs ends in time."""
    vault.let_go.set()
    await keeper.keep_session(session())
    for number in (1, 2, 3):
        await mint(keeper, number)
        await keeper.flush()
        assert (keeper.trouble is not None) == vault.has_failed


def assert_holds_all(keeper: Keeper, *, leases: int = 3) -> None:
    assert keeper.held_session == session()
    assert keeper.held_leases == {
        f"digest-{number}": a_lease(number=number) for number in range(1, leases + 1)
    }


faults = st.dictionaries(st.integers(1, 4), st.sampled_from(Fault))


@given(faults=faults)
def test_memory_holds_all_whatever_the_vault_does(faults: dict[int, Fault]) -> None:
    """And the first write that succeeds stores everything, not only what is new."""

    async def story() -> None:
        vault = FaultyVault(faults)
        keeper = keeper_of(vault)
        await live(keeper, vault)
        assert_holds_all(keeper)
        await mint(keeper, 4)
        await keeper.flush()
        assert keeper.trouble is None
        later = keeper_of(vault)
        await later.load()
        assert_holds_all(later, leases=4)

    asyncio.run(story())


@pytest.mark.parametrize("fault", Fault)
@pytest.mark.parametrize("number", range(1, 5))
def test_a_daemon_killed_at_a_fault_has_lost_no_more_than_what_was_not_written(
    fault: Fault, number: int
) -> None:
    """What the vault held before the fault is there after the next start."""

    async def story() -> None:
        vault = FaultyVault(dict.fromkeys(range(number, WELL_AGAIN), fault))
        await live(keeper_of(vault), vault)
        vault.faults = {}
        later = keeper_of(vault)
        await later.load()
        written = 4 if fault is Fault.TOO_LATE else number - 1
        assert (later.held_session is not None) == (written > 0)
        assert len(later.held_leases) == max(0, written - 1)

    asyncio.run(story())


@given(faults=st.dictionaries(st.integers(1, 3), st.sampled_from(Fault)))
def test_what_cannot_be_read_is_read_later(faults: dict[int, Fault]) -> None:
    """A restarted daemon that meets a failing vault writes nothing over what is kept there."""

    async def story() -> None:
        vault = FaultyVault({})
        await live(keeper_of(vault), vault)
        keeper, vault.calls, vault.faults = keeper_of(vault), 0, faults
        for call in (1, 2, 3):
            if call in faults:
                with pytest.raises(VaultError):
                    await keeper.session()
                assert not keeper.is_loaded
            else:
                await keeper.session()
                break
        await keeper.session()
        assert_holds_all(keeper)

    asyncio.run(story())


def test_a_write_that_hangs_holds_nobody_up() -> None:
    """What is minted meanwhile is served, and goes into the vault with the next write."""

    async def story() -> None:
        vault = FaultyVault({2: Fault.HANGS, 3: Fault.HANGS})
        keeper = keeper_of(vault)
        await keeper.keep_session(session())
        for number in (1, 2, 3):
            await mint(keeper, number)
            await asyncio.sleep(0)
        assert await keeper.session() == session()
        assert_holds_all(keeper)
        vault.let_go.set()
        await keeper.flush()
        assert keeper.trouble is None
        later = keeper_of(vault)
        await later.load()
        assert_holds_all(later)

    asyncio.run(story())


@pytest.mark.parametrize("fault", Fault)
def test_a_deletion_that_fails_is_told_and_can_be_done_again(fault: Fault) -> None:
    """Nothing is served in any case; a second logout removes what the first could not."""

    async def story() -> None:
        vault = FaultyVault({})
        keeper = keeper_of(vault)
        await live(keeper, vault)
        vault.faults = {vault.calls + 1: fault}
        with pytest.raises(VaultError):
            await keeper.forget_session()
        assert (keeper.held_session, keeper.held_leases) == (None, {})
        await keeper.forget_session()
        assert await vault.load(ACCOUNT) is None

    asyncio.run(story())


@pytest.mark.parametrize("fault", Fault)
def test_a_login_after_a_deletion_that_failed_replaces_what_stayed(fault: Fault) -> None:
    """Leases of before do not come back with it."""

    async def story() -> None:
        vault = FaultyVault({})
        keeper = keeper_of(vault)
        await live(keeper, vault)
        vault.faults = {vault.calls + 1: fault}
        with pytest.raises(VaultError):
            await keeper.forget_session()
        await keeper.keep_session(session())
        later = keeper_of(vault)
        await later.load()
        assert (later.held_session, later.held_leases) == (session(), {})

    asyncio.run(story())


def test_a_write_that_failed_is_made_good_when_somebody_asks() -> None:
    """Without another mint, but no more often than now and then."""

    async def story() -> None:
        clock = MovedClock()
        vault = FaultyVault({1: Fault.LOCKED, 2: Fault.LOCKED})
        keeper = keeper_of(vault, clock)
        await keeper.keep_session(session())
        for writes in (1, 2, 3):
            assert vault.calls == writes
            assert (keeper.trouble is None) == (writes == 3)
            for _ in range(50):
                await keeper.load()
            await others_done()
            assert vault.calls == writes
            clock.move(timedelta(seconds=10))
            await keeper.load()
            await others_done()
        later = keeper_of(vault, clock)
        await later.load()
        assert later.held_session == session()

    asyncio.run(story())


def test_what_could_not_be_deleted_is_deleted_at_the_end() -> None:
    """A logout that met a locked keyring is done when the daemon ends, if not before."""

    async def story() -> None:
        vault = FaultyVault({2: Fault.LOCKED})
        keeper = keeper_of(vault)
        await keeper.keep_session(session())
        with pytest.raises(VaultError):
            await keeper.forget_session()
        await keeper.flush()
        assert keeper.trouble is None
        assert await vault.load(ACCOUNT) is None

    asyncio.run(story())
