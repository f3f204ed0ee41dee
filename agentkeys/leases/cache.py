"""Serves leases: from memory, minted once where none is held, renewed ahead of need."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping
from datetime import datetime, timedelta
from typing import Protocol

from agentkeys.claims import WALLET_CLAIM
from agentkeys.clock import Clock
from agentkeys.config import Profile
from agentkeys.errors import AgentkeysError, WrongIdentity
from agentkeys.leases.failures import FailureMemory
from agentkeys.leases.flights import Flights
from agentkeys.leases.lease import Freshness, Lease, LeaseKey, assess
from agentkeys.leases.minting import Exchange, Minter, check_expected
from agentkeys.leases.schedule import (
    Plan,
    first_refresh,
    next_refresh,
    refresh_after_failure,
)
from agentkeys.leases.uses import Uses
from agentkeys.tokens import TokenSource

__all__ = ["LeaseCache", "LeaseHolder"]

PATIENCE = timedelta(seconds=3)
"""How long a caller waits for something fresher than a lease that is still good."""

PUNCTUAL = timedelta(minutes=2)
"""A refresh that happens within this of its planned time has happened on schedule."""

Report = Callable[[Profile, Lease | AgentkeysError], None]
_Flight = tuple[LeaseKey, str | None, str | None]
_Flights = Flights[_Flight, Lease]


class LeaseHolder(Protocol):
    """Where leases are held; all of one identity."""

    @property
    def held_leases(self) -> Mapping[str, Lease]: ...

    async def load(self) -> None: ...

    def keep_lease(self, digest: str, lease: Lease) -> None: ...

    async def drop_leases(self, digests: Collection[str]) -> None: ...


class LeaseCache:
    """Serves one identity's leases, minting at most once per lease key however many ask.

    Caching happens here and nowhere else: token sources and the STS client always go out.
    """

    def __init__(
        self,
        *,
        source: TokenSource,
        source_url: str,
        minter: Minter,
        holder: LeaseHolder,
        failures: FailureMemory,
        clock: Clock,
        report: Report,
        patience: timedelta = PATIENCE,
    ) -> None:
        """`report` hears of every mint, done or failed; it must not raise."""
        self._patience = patience
        self._source = source
        self._source_url = source_url
        self._minter = minter
        self._holder = holder
        self._failures = failures
        self._clock = clock
        self._report = report
        self._uses = Uses(clock=clock)
        self._flights: _Flights = Flights()

    @property
    def is_minting(self) -> bool:
        """Whether any mint is under way."""
        return bool(self._flights)

    def held(self, profile: Profile, sts_endpoint: str) -> Lease | None:
        """The lease in memory that `profile` would be served, whatever its state."""
        key = self._held_key(profile, sts_endpoint)
        return self._holder.held_leases.get(key.digest()) if key else None

    def is_used(self, profile: Profile, sts_endpoint: str) -> bool:
        """Whether the held lease is kept fresh, since somebody may still work with it."""
        key, held = self._held_key(profile, sts_endpoint), self.held(profile, sts_endpoint)
        return bool(key and held and self._uses.is_used(key.digest(), held))

    async def lease(
        self,
        profile: Profile,
        exchange: Exchange,
        sts_endpoint: str,
        *,
        at_least: timedelta = timedelta(0),
    ) -> Lease:
        """A lease for `profile`, good now and, where the store allows, for a good while.

        One with less than `at_least` left is minted anew first. While a mint fails, and for a few
        seconds after, what is still valid is served; where nothing is, the same error is raised.
        Raises TokenError, StsError, VaultError, DaemonTimeout.
        """
        await self._holder.load()
        key = self._key(profile, sts_endpoint, await self._source.subject())
        lease = await self._serve(key, profile, exchange, at_least)
        check_expected(profile, lease.subject, lease.claims.get(WALLET_CLAIM))
        self._uses.note(key.digest(), lease)
        return lease

    def refresh(self, profile: Profile, exchange: Exchange, sts_endpoint: str) -> timedelta | None:
        """Begins to mint the next lease where that is due and somebody uses the one that is held.

        Returns how long to leave it alone; None where nothing is to be done until something
        happens: nothing is held, nobody uses it any more, or the next one is being minted.
        """
        key, held = self._held_key(profile, sts_endpoint), self.held(profile, sts_endpoint)
        if key is None or held is None or not self._uses.is_used(key.digest(), held):
            return None
        flight = _flight(key, profile)
        pause = max(held.refresh_in(self._clock), self._failures.pause(flight))
        if pause > timedelta(0):
            return pause
        if not any(minting[0] == key for minting in self._flights):
            self._begin(flight, profile, exchange)
        return None

    def digest(self, profile: Profile, sts_endpoint: str) -> str | None:
        """The digest of the profile's lease key; None while nobody is known to be logged in."""
        key = self._held_key(profile, sts_endpoint)
        return key.digest() if key else None

    async def forget(self, *, keep: Collection[str] = ()) -> datetime | None:
        """Drops all leases of this identity but those under `keep`; the session stays.

        Returns when the last of the credentials that were handed out of them ends: no store takes
        them back. Raises VaultError where the leases stay in the vault.
        """
        await self._holder.load()
        digests = {*self._holder.held_leases, *self._uses} - {*keep}
        until = self.handed_out_until(digests)
        self.start_over()
        await self._holder.drop_leases(digests)
        return until

    def handed_out_until(self, digests: Collection[str] | None = None) -> datetime | None:
        """When the last of the credentials that were handed out ends; None where all have.

        Of those under `digests`, or of all.
        """
        for digest, lease in self._holder.held_leases.items():
            self._uses.is_used(digest, lease)
        return self._uses.last_until(digests)

    def start_over(self) -> None:
        """Something has changed: what failed may be tried again at once.

        What is being minted goes to those who wait for it, and to nobody else.
        """
        self._flights = Flights()
        self._failures.forget_all()

    def _held_key(self, profile: Profile, sts_endpoint: str) -> LeaseKey | None:
        subject = self._source.held_subject()
        return None if subject is None else self._key(profile, sts_endpoint, subject)

    def _key(self, profile: Profile, sts_endpoint: str, subject: str) -> LeaseKey:
        return LeaseKey(
            identity=profile.identity.name,
            source_url=self._source_url,
            subject=subject,
            store=profile.store.kind.name,
            sts_endpoint=sts_endpoint,
            role_arn=profile.role_arn.arn if profile.role_arn else None,
            duration_seconds=int(profile.duration.total_seconds()),
            audience=profile.identity.audience,
            confine=str(profile.confine),
        )

    async def _serve(
        self, key: LeaseKey, profile: Profile, exchange: Exchange, at_least: timedelta
    ) -> Lease:
        flight = _flight(key, profile)
        held = self._holder.held_leases.get(key.digest())
        freshness = assess(held, self._clock) if held else Freshness.OVER
        if held is None or freshness is Freshness.OVER or held.remaining(self._clock) < at_least:
            if problem := self._failures.recall(flight, needed=True):
                raise problem.with_traceback(None)
            # A caller that gives up must not take the mint down with it: others wait for it too.
            return await asyncio.shield(self._begin(flight, profile, exchange))
        if freshness is Freshness.FRESH or self._failures.recall(flight):
            return held
        minting = self._begin(flight, profile, exchange)
        return held if freshness is Freshness.EARLY else await self._await_or_keep(key, minting)

    async def _await_or_keep(self, key: LeaseKey, minting: asyncio.Task[Lease]) -> Lease:
        # A store that hangs must not hold up a caller for whom there still is something good.
        await asyncio.wait({minting}, timeout=self._patience.total_seconds())
        if minting.done() and not minting.cancelled() and minting.exception() is None:
            return minting.result()
        # Reported by the mint itself. The caller's job goes on with what is still good, unless a
        # login or logout meanwhile has taken it from memory: it is somebody else's then.
        held = self._holder.held_leases.get(key.digest())
        if held is None or assess(held, self._clock) is Freshness.OVER:
            return await asyncio.shield(minting)
        return held

    def _begin(self, flight: _Flight, profile: Profile, exchange: Exchange) -> asyncio.Task[Lease]:
        flights = self._flights
        free = (flight[0], None, None)
        if free in flights:
            # Nobody's pins can make it fail; ours are held against what comes of it.
            flight = free
        return flights.join(flight, lambda: self._mint(flights, flight, profile, exchange))

    async def _mint(
        self, flights: _Flights, flight: _Flight, profile: Profile, exchange: Exchange
    ) -> Lease:
        key, plan = flight[0], self._plan(flight)
        try:
            lease = await self._minter.mint(
                profile, self._source, exchange, subject=key.subject, plan=plan
            )
            await self._check_still(key, profile)
        except AgentkeysError as problem:
            self._failed(flights, flight, profile, problem)
            raise
        except Exception as unforeseen:  # noqa: BLE001 - the top level of a mint
            # Remembered and told like any other, or everybody would run into it anew. Only its
            # type: its text may quote what it choked on.
            failure = AgentkeysError(
                f"minting failed unexpectedly ({type(unforeseen).__name__})",
                hint="run: agentkeys daemon logs",
            )
            self._failed(flights, flight, profile, failure)
            raise failure from None
        if flights is self._flights:
            self._failures.forget(flight)
            self._holder.keep_lease(key.digest(), lease)
        self._report(profile, lease)
        return lease

    def _failed(
        self, flights: _Flights, flight: _Flight, profile: Profile, problem: AgentkeysError
    ) -> None:
        if flights is self._flights:
            self._failures.remember(flight, problem, left=self._left(flight[0]))
        self._report(profile, problem)

    def _plan(self, flight: _Flight) -> Plan:
        """When the lease that is minted now is to be refreshed; others may be minting with us."""
        held = self._holder.held_leases.get(flight[0].digest())
        if held is None or assess(held, self._clock) is Freshness.OVER:
            return first_refresh
        if self._failures.has_failed(flight):
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


def _flight(key: LeaseKey, profile: Profile) -> _Flight:
    # Profiles that differ in their pins share leases, but must not share each other's refusals.
    return key, profile.expect_wallet, profile.expect_subject
