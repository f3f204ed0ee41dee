"""Mints once however many ask, and remembers for a while what failed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Protocol

from agentkeys.clock import Clock
from agentkeys.config import Profile
from agentkeys.errors import AgentkeysError, WrongIdentity
from agentkeys.flights import Flights
from agentkeys.leases.failures import FailureMemory
from agentkeys.leases.lease import Freshness, Lease, LeaseKey, assess
from agentkeys.leases.minting import Minter
from agentkeys.leases.schedule import (
    Plan,
    first_refresh,
    next_refresh,
    refresh_after_failure,
)
from agentkeys.leases.terms import LeaseTerms
from agentkeys.tokens import TokenSource

__all__ = ["LeaseHolder", "Report", "SharedMints"]

PUNCTUAL = timedelta(minutes=2)
"""A refresh that happens within this of its planned time has happened on schedule."""

Report = Callable[[LeaseTerms, Lease | AgentkeysError], Awaitable[None]]
"""Hears of every mint, done or failed, before anybody gets what came of it; it must not raise."""

_Flight = tuple[LeaseKey, str | None, str | None]
_Flights = Flights[_Flight, Lease]


class LeaseHolder(Protocol):
    """Where leases are held; all of one identity."""

    @property
    def held_leases(self) -> Mapping[str, Lease]: ...

    async def load(self) -> None: ...

    def keep_lease(self, digest: str, lease: Lease) -> None: ...

    async def drop_leases(self, digests: Collection[str]) -> None: ...


class SharedMints:
    """The mints of one identity that are under way, and those that failed lately.

    What is minted is kept with the holder before anybody gets it.
    """

    def __init__(
        self,
        *,
        source: TokenSource,
        minter: Minter,
        holder: LeaseHolder,
        failures: FailureMemory,
        clock: Clock,
        report: Report,
    ) -> None:
        self._source = source
        self._minter = minter
        self._holder = holder
        self._failures = failures
        self._clock = clock
        self._report = report
        self._flights: _Flights = Flights()

    @property
    def is_under_way(self) -> bool:
        """Whether any mint is."""
        return bool(self._flights)

    def is_minting(self, key: LeaseKey) -> bool:
        """Whether a mint for `key` is under way, whoever began it."""
        return any(flight[0] == key for flight in self._flights)

    async def settle(self, run_id: str) -> None:
        """Returns when no mint of the run's own is under way."""
        while minting := [
            task for flight, task in self._flights.items() if flight[0].run_id == run_id
        ]:
            await asyncio.wait(minting)

    def recall(
        self, key: LeaseKey, profile: Profile, *, needed: bool = False
    ) -> AgentkeysError | None:
        """Why it is not to be tried now; `needed` is for who cannot be served anything else."""
        return self._failures.recall(_attempt(_flight(key, profile)), needed=needed)

    def pause(self, key: LeaseKey, profile: Profile) -> timedelta:
        """How long it is not to be tried; zero when it may be tried."""
        return self._failures.pause(_attempt(_flight(key, profile)))

    def start_over(self) -> None:
        """Something has changed: what failed may be tried again at once.

        What is being minted goes to those who wait for it, and to nobody else.
        """
        self._flights = Flights()
        self._failures.forget_all()

    def join(self, key: LeaseKey, terms: LeaseTerms) -> asyncio.Task[Lease]:
        """The mint for `key` that is under way, or else a new one."""
        flights = self._flights
        free = (key, None, None)
        # Nobody's pins can make that one fail; ours are held against what comes of it.
        flight = free if free in flights else _flight(key, terms.profile)
        return flights.join(flight, lambda: self._mint(flights, flight, terms))

    async def _mint(self, flights: _Flights, flight: _Flight, terms: LeaseTerms) -> Lease:
        key, plan = flight[0], self._plan(flight)
        try:
            lease = await self._minter.mint(terms, self._source, subject=key.subject, plan=plan)
            await self._check_still(key, terms.profile)
        except AgentkeysError as problem:
            await self._failed(flights, flight, terms, problem)
            raise
        except Exception as unforeseen:  # noqa: BLE001 - the top level of a mint
            # Remembered and told like any other, or everybody would run into it anew. Only its
            # type: its text may quote what it choked on.
            failure = AgentkeysError(
                f"minting failed unexpectedly ({type(unforeseen).__name__})",
                hint="run: agentkeys daemon logs",
            )
            await self._failed(flights, flight, terms, failure)
            raise failure from None
        await self._report(terms, lease)
        if flights is self._flights:
            self._failures.forget(_attempt(flight))
            self._holder.keep_lease(key.digest(), lease)
        return lease

    async def _failed(
        self, flights: _Flights, flight: _Flight, terms: LeaseTerms, problem: AgentkeysError
    ) -> None:
        if flights is self._flights:
            self._failures.remember(_attempt(flight), problem, left=self._left(flight[0]))
        await self._report(terms, problem)

    def _plan(self, flight: _Flight) -> Plan:
        """When the lease that is minted now is to be refreshed; others may be minting with us."""
        held = self._holder.held_leases.get(flight[0].digest())
        if held is None or assess(held, self._clock) is Freshness.OVER:
            return first_refresh
        if self._failures.has_failed(_attempt(flight)):
            return refresh_after_failure
        is_punctual = -PUNCTUAL < held.refresh_in(self._clock) <= timedelta(0)
        return next_refresh if is_punctual else first_refresh

    def _left(self, key: LeaseKey) -> timedelta:
        """How long there still is something to serve."""
        held = self._holder.held_leases.get(key.digest())
        return max(timedelta(0), held.remaining(self._clock)) if held else timedelta(0)

    async def _check_still(self, key: LeaseKey, profile: Profile) -> None:
        """What was minted for one must not be kept once another, or nobody, is logged in."""
        if await self._source.subject() != key.subject:
            raise WrongIdentity(
                f"{profile.identity.name} became somebody else while credentials were minted",
                hint="try again",
            )


def _attempt(flight: _Flight) -> _Flight:
    """What its failure is remembered under: one run fails as any other does."""
    key, wallet, subject = flight
    return replace(key, run_id=None), wallet, subject


def _flight(key: LeaseKey, profile: Profile) -> _Flight:
    # Profiles that differ in their pins share leases, but must not share each other's refusals.
    return key, profile.expect_wallet, profile.expect_subject
