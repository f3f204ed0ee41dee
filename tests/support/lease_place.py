"""A lease cache at work: the real one with its real keeper, all that is outside of it faked."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import TypeVar

from agentkeys.config import Profile
from agentkeys.errors import AgentkeysError
from agentkeys.keeper import Keeper
from agentkeys.leases import FailureMemory, Lease, LeaseCache, LeaseTerms, Minter
from agentkeys.secret import Secret
from agentkeys.server_times import ServerTimes
from agentkeys.sessions import BrokerSession, parse_broker_session
from tests.fakes.exchange import FakeExchange
from tests.fakes.tokens import FakeTokenSource
from tests.fakes.vault import FragileVault
from tests.support.moved_clock import MovedClock
from tests.support.profiles import PROFILE, STS_ENDPOINT
from tests.support.tokens import ALICE, ISSUER, User, session_jwt

__all__ = ["Place", "play", "session_of"]

T = TypeVar("T")


def session_of(user: User = ALICE) -> BrokerSession:
    return parse_broker_session(Secret(session_jwt(user)), url=ISSUER)


class Place:
    """The cache, and a hand on everything around it."""

    def __init__(self, patience: timedelta = timedelta(seconds=10)) -> None:
        self.patience = patience
        self.clock = MovedClock()
        self.vault = FragileVault()
        self.source = FakeTokenSource(clock=self.clock)
        self.sts = FakeExchange(clock=self.clock)
        self.draw = 0.9999
        """What every throw of the dice gives: refreshes as late as can be, at first."""
        self.reports: list[tuple[str, Lease | AgentkeysError]] = []
        self.keeper = self._keeper()
        self.cache = self._cache()

    def terms(self, profile: Profile = PROFILE, endpoint: str = STS_ENDPOINT) -> LeaseTerms:
        return LeaseTerms(profile, endpoint, self.sts)

    async def ask(self, profile: Profile = PROFILE, **options: timedelta) -> Lease:
        return await self.cache.lease(self.terms(profile), **options)

    def refresh(self, profile: Profile = PROFILE) -> timedelta | None:
        return self.cache.refresh(self.terms(profile))

    def asking(self, profile: Profile = PROFILE) -> asyncio.Task[Lease]:
        return asyncio.get_running_loop().create_task(self.ask(profile))

    async def forget(self, *kept: Profile) -> datetime | None:
        """Forgets all leases but those of some profiles."""
        digests = {self.cache.digest(self.terms(profile)) for profile in kept}
        return await self.cache.forget(keep={digest for digest in digests if digest})

    async def settle(self) -> None:
        """Returns when whatever goes on by itself has come to its end."""
        self.sts.open.set()
        self.source.open.set()
        while others := asyncio.all_tasks() - {asyncio.current_task()}:
            await asyncio.wait(others)

    async def log_in(self, user: User) -> None:
        self.source.user = user
        await self.keeper.keep_session(session_of(user))

    async def log_out(self) -> None:
        self.source.user = None
        await self.keeper.forget_session()

    def restart(self) -> None:
        """A new daemon in front of the same vault."""
        self.keeper = self._keeper()
        self.cache = self._cache()

    def move(self, **by: float) -> None:
        self.clock.move(timedelta(**by))

    def _keeper(self) -> Keeper:
        return Keeper(
            identity="me",
            account="me@state",
            vault=self.vault,
            clock=self.clock,
            times=ServerTimes(clock=self.clock),
        )

    async def _note(self, terms: LeaseTerms, what: Lease | AgentkeysError) -> None:
        self.reports.append((terms.profile.name, what))

    def _cache(self) -> LeaseCache:
        async def no_pause(_seconds: float) -> None:
            pass

        return LeaseCache(
            source=self.source,
            origin=ISSUER,
            minter=Minter(clock=self.clock, sleep=no_pause, jitter=lambda: self.draw),
            holder=self.keeper,
            failures=FailureMemory(clock=self.clock, draw=lambda: self.draw),
            clock=self.clock,
            report=self._note,
            patience=self.patience,
        )


def play(story: Callable[[Place], Awaitable[T]], **settings: timedelta) -> T:
    async def whole() -> T:
        place = Place(**settings)
        try:
            return await story(place)
        finally:
            await place.settle()

    return asyncio.run(whole())
