"""Serves leases: from memory, minted once where none is held, renewed ahead of need."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from datetime import datetime, timedelta

from agentkeys.claims import WALLET_CLAIM
from agentkeys.clock import Clock
from agentkeys.leases.failures import FailureMemory
from agentkeys.leases.lease import Freshness, Lease, LeaseKey, assess
from agentkeys.leases.minting import Minter, check_expected, check_user
from agentkeys.leases.shared_mints import LeaseHolder, Report, SharedMints
from agentkeys.leases.terms import LeaseTerms
from agentkeys.leases.uses import Uses
from agentkeys.tokens import TokenSource

__all__ = ["LeaseCache"]

PATIENCE = timedelta(seconds=3)
"""How long a caller waits for something fresher than a lease that is still good."""


class LeaseCache:
    """Serves one identity's leases, minting at most once per lease key however many ask.

    Caching happens here and nowhere else: token sources and the STS client always go out.
    """

    def __init__(
        self,
        *,
        source: TokenSource,
        origin: str,
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
        self._origin = origin
        self._holder = holder
        self._clock = clock
        self._uses = Uses(clock=clock)
        self._mints = SharedMints(
            source=source,
            minter=minter,
            holder=holder,
            failures=failures,
            clock=clock,
            report=report,
        )

    @property
    def is_minting(self) -> bool:
        """Whether any mint is under way."""
        return self._mints.is_under_way

    def held(self, terms: LeaseTerms) -> Lease | None:
        """The lease in memory that would be served on `terms`, whatever its state."""
        key = self._held_key(terms)
        return self._holder.held_leases.get(key.digest()) if key else None

    def held_of_run(self, run_id: str) -> Lease | None:
        """A run's own lease in memory, whatever terms it was minted on."""
        held = self._holder.held_leases.values()
        return next((lease for lease in held if lease.run_id == run_id), None)

    def is_used(self, terms: LeaseTerms) -> bool:
        """Whether the held lease is kept fresh, since somebody may still work with it."""
        key, held = self._held_key(terms), self.held(terms)
        return bool(key and held and self._uses.is_used(key.digest(), held))

    async def lease(
        self,
        terms: LeaseTerms,
        *,
        at_least: timedelta = timedelta(0),
        patience: timedelta | None = None,
    ) -> Lease:
        """A lease on `terms`, good now and, where the store allows, for a good while.

        One with less than `at_least` left is minted anew first. `patience` is how long to wait for
        something fresher than what is still good. While a mint fails, and for a few
        seconds after, what is still valid is served; where nothing is, the same error is raised.
        Raises TokenError, StsError, VaultError, DaemonTimeout.
        """
        await self._holder.load()
        key = self._key(terms, await self._source.subject())
        lease = await self._serve(
            key, terms, at_least, self._patience if patience is None else patience
        )
        check_expected(terms.profile, lease.subject, lease.claims.get(WALLET_CLAIM))
        check_user(terms, lease.user)
        self._uses.note(key.digest(), lease)
        return lease

    def refresh(self, terms: LeaseTerms, *, is_needed: bool = False) -> timedelta | None:
        """Begins to mint the next lease where that is due and somebody uses the one that is held.

        With `is_needed` somebody does, however long ago they asked. Returns how long to leave it
        alone; None where nothing is to be done until something happens: nothing is held, nobody
        uses it any more, or the next one is being minted.
        """
        key, held = self._held_key(terms), self.held(terms)
        if key is None or held is None:
            return None
        if not is_needed and not self._uses.is_used(key.digest(), held):
            return None
        pause = max(held.refresh_in(self._clock), self._mints.pause(key, terms.profile))
        if pause > timedelta(0):
            return pause
        if not self._mints.is_minting(key):
            self._mints.join(key, terms)
        return None

    def digest(self, terms: LeaseTerms) -> str | None:
        """The digest of the lease key; None while nobody is known to be logged in."""
        key = self._held_key(terms)
        return key.digest() if key else None

    async def forget(self, *, keep: Collection[str] = ()) -> datetime | None:
        """Drops all leases of this identity but those under `keep`; the session stays.

        Returns when the last of the credentials that were handed out of them ends: no store takes
        them back. Raises VaultError where the leases stay in the vault.
        """
        await self._holder.load()
        digests = {*self._holder.held_leases, *self._uses} - {*keep}
        until = self.handed_out_until(digests)
        self._mints.start_over()
        await self._holder.drop_leases(digests)
        return until

    async def drop_others(self, *, keep: Collection[str]) -> None:
        """Drops the leases held under none of the digests in `keep`; raises VaultError."""
        await self._holder.load()
        if others := {*self._holder.held_leases} - {*keep}:
            await self._holder.drop_leases(others)

    async def drop_run(self, run_id: str) -> None:
        """Drops the run's own leases, also those that are just being minted; raises VaultError."""
        await self._holder.load()
        await self._mints.settle(run_id)
        held = self._holder.held_leases.items()
        if own := {digest for digest, lease in held if lease.run_id == run_id}:
            await self._holder.drop_leases(own)

    def handed_out_until(self, digests: Collection[str] | None = None) -> datetime | None:
        """When the last of the credentials that were handed out ends; None where all have.

        Of those under `digests`, or of all.
        """
        for digest, lease in self._holder.held_leases.items():
            self._uses.adopt(digest, lease)
        return self._uses.last_until(digests)

    def start_over(self) -> None:
        """Something has changed: what failed may be tried again at once.

        What is being minted goes to those who wait for it, and to nobody else.
        """
        self._mints.start_over()

    def _held_key(self, terms: LeaseTerms) -> LeaseKey | None:
        subject = self._source.held_subject()
        return None if subject is None else self._key(terms, subject)

    def _key(self, terms: LeaseTerms, subject: str) -> LeaseKey:
        profile = terms.profile
        return LeaseKey(
            identity=profile.identity.name,
            origin=self._origin,
            subject=subject,
            store=profile.store.kind.name,
            sts_endpoint=terms.sts_endpoint,
            role_arn=profile.role_arn.arn if profile.role_arn else None,
            duration_seconds=int(profile.duration.total_seconds()),
            audience=profile.identity.audience,
            confine=str(profile.confine),
            policy=terms.scope.spell(),
            run_id=terms.run_id,
        )

    async def _serve(
        self, key: LeaseKey, terms: LeaseTerms, at_least: timedelta, patience: timedelta
    ) -> Lease:
        held = self._holder.held_leases.get(key.digest())
        freshness = assess(held, self._clock) if held else Freshness.OVER
        if held is None or freshness is Freshness.OVER or held.remaining(self._clock) < at_least:
            if problem := self._mints.recall(key, terms.profile, needed=True):
                raise problem.with_traceback(None)
            # A caller that gives up must not take the mint down with it: others wait for it too.
            return await asyncio.shield(self._mints.join(key, terms))
        if freshness is Freshness.FRESH or self._mints.recall(key, terms.profile):
            return held
        minting = self._mints.join(key, terms)
        if freshness is Freshness.EARLY:
            return held
        return await self._await_or_keep(key, minting, patience)

    async def _await_or_keep(
        self, key: LeaseKey, minting: asyncio.Task[Lease], patience: timedelta
    ) -> Lease:
        # A store that hangs must not hold up a caller for whom there still is something good.
        await asyncio.wait({minting}, timeout=patience.total_seconds())
        if minting.done() and not minting.cancelled() and minting.exception() is None:
            return minting.result()
        # Reported by the mint itself. The caller's job goes on with what is still good, unless a
        # login or logout meanwhile has taken it from memory: it is somebody else's then.
        held = self._holder.held_leases.get(key.digest())
        if held is None or assess(held, self._clock) is Freshness.OVER:
            return await asyncio.shield(minting)
        return held
