"""Serves leases: from memory where one is held, minted once where none is."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Protocol

from agentkeys.claims import WALLET_CLAIM
from agentkeys.clock import Clock
from agentkeys.config import Profile
from agentkeys.errors import AgentkeysError, WrongIdentity
from agentkeys.leases.lease import Freshness, Lease, LeaseKey, assess
from agentkeys.leases.minting import Exchange, Minter, check_expected
from agentkeys.tokens import TokenSource

__all__ = ["LeaseCache", "LeaseHolder"]

PATIENCE = timedelta(seconds=3)
"""How long a caller waits for something fresher than a lease that is still good."""

Report = Callable[[Profile, Lease | AgentkeysError], None]
_Flight = tuple[LeaseKey, str | None, str | None]


class LeaseHolder(Protocol):
    """Where leases are held; all of one identity."""

    @property
    def held_leases(self) -> Mapping[str, Lease]: ...

    async def load(self) -> None: ...

    def keep_lease(self, digest: str, lease: Lease) -> None: ...


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
        self._clock = clock
        self._report = report
        self._flights: dict[_Flight, asyncio.Task[Lease]] = {}

    def held(self, profile: Profile, sts_endpoint: str) -> Lease | None:
        """The lease in memory that `profile` would be served, whatever its state."""
        subject = self._source.held_subject()
        if subject is None:
            return None
        return self._holder.held_leases.get(self._key(profile, sts_endpoint, subject).digest())

    async def lease(self, profile: Profile, exchange: Exchange, sts_endpoint: str) -> Lease:
        """A lease for `profile`, good now and, where the store allows, for a good while.

        While a mint fails, what is still valid is served. Raises TokenError, StsError, VaultError,
        DaemonTimeout.
        """
        await self._holder.load()
        key = self._key(profile, sts_endpoint, await self._source.subject())
        held = self._holder.held_leases.get(key.digest())
        freshness = assess(held, self._clock.now()) if held else Freshness.OVER
        if held is None or freshness is Freshness.OVER:
            lease = await self._mint_once(key, profile, exchange)
        elif freshness is Freshness.DYING:
            lease = await self._mint_or_keep(key, profile, exchange)
        else:
            lease = held
            if freshness is Freshness.EARLY:
                self._begin(key, profile, exchange)
        check_expected(profile, lease.subject, lease.claims.get(WALLET_CLAIM))
        return lease

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

    async def _mint_or_keep(self, key: LeaseKey, profile: Profile, exchange: Exchange) -> Lease:
        flight = self._begin(key, profile, exchange)
        # A store that hangs must not hold up a caller for whom there still is something good.
        await asyncio.wait({flight}, timeout=self._patience.total_seconds())
        if flight.done() and not flight.cancelled() and flight.exception() is None:
            return flight.result()
        # Reported by the flight. The caller's job goes on with what is still good, unless a
        # login or logout meanwhile has taken it from memory: it is somebody else's then.
        held = self._holder.held_leases.get(key.digest())
        if held is None or assess(held, self._clock.now()) is Freshness.OVER:
            return await asyncio.shield(flight)
        return held

    async def _mint_once(self, key: LeaseKey, profile: Profile, exchange: Exchange) -> Lease:
        # A caller that gives up must not take the mint down with it: others wait for it too.
        return await asyncio.shield(self._begin(key, profile, exchange))

    def _begin(self, key: LeaseKey, profile: Profile, exchange: Exchange) -> asyncio.Task[Lease]:
        # Profiles that differ in their pins share leases, but must not share each other's refusals.
        name = (key, profile.expect_wallet, profile.expect_subject)
        flight = self._flights.get(name)
        if flight is None:
            flight = asyncio.get_running_loop().create_task(self._fly(key, profile, exchange))
            self._flights[name] = flight
            flight.add_done_callback(lambda done: self._land(name, done))
        return flight

    def _land(self, name: _Flight, flight: asyncio.Task[Lease]) -> None:
        del self._flights[name]
        if not flight.cancelled():
            # Read, so that a failure nobody waited for is not reported as never retrieved.
            flight.exception()

    async def _fly(self, key: LeaseKey, profile: Profile, exchange: Exchange) -> Lease:
        try:
            lease = await self._minter.mint(profile, self._source, exchange, subject=key.subject)
            await self._check_still(key, profile)
        except AgentkeysError as problem:
            self._report(profile, problem)
            raise
        self._holder.keep_lease(key.digest(), lease)
        self._report(profile, lease)
        return lease

    async def _check_still(self, key: LeaseKey, profile: Profile) -> None:
        """What was minted for one must not be kept once another, or nobody, is logged in."""
        if await self._source.subject() != key.subject:
            raise WrongIdentity(
                f"{profile.identity.name} became somebody else while credentials were minted",
                hint="try again",
            )
