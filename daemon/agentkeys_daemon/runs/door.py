"""What the endpoint serves: a run's lease, from memory."""

from __future__ import annotations

import asyncio
import os
from datetime import timedelta

from agentkeys.claims import WALLET_CLAIM
from agentkeys.clock import Clock
from agentkeys.config import Profile
from agentkeys.errors import AgentkeysError, DaemonTimeout, UnknownRun
from agentkeys.leases import Lease
from agentkeys_daemon.endpoint import Minted, owner_of
from agentkeys_daemon.ledger.records import VIA_JWT, Recorder
from agentkeys_daemon.peers import Peer
from agentkeys_daemon.profile_leases import ProfileLeases
from agentkeys_daemon.repeating import Repeats
from agentkeys_daemon.runs.registry import RunRegistry
from agentkeys_daemon.runs.run import Run
from agentkeys_daemon.runs.terms import RunTerms

__all__ = ["RunDoor", "wallet_of"]

COLD_SECONDS = 0.5
"""SDKs wait a second for the endpoint; one that has nothing to serve says so before that."""
AT_ONCE = timedelta(0)
MINT_SECONDS = 13.0
"""Clients of brokers wait 15 seconds for a mint, and some ask no second time."""


class RunDoor:
    """The endpoint's view of the runs."""

    def __init__(
        self,
        *,
        registry: RunRegistry,
        terms: RunTerms,
        leases: ProfileLeases,
        repeats: Repeats,
        records: Recorder,
        clock: Clock,
    ) -> None:
        self._registry = registry
        self._terms = terms
        self._leases = leases
        self._repeats = repeats
        self._records = records
        self._clock = clock

    def token_hash(self, run_id: str) -> str | None:
        """Of a live run's token, None where no such run fetches with one."""
        try:
            run = self._registry.find(run_id)
        except UnknownRun:
            return None
        return run.token_hash if run.fetches else None

    def minter(self, token: str) -> str | None:
        """The live run that mints with `token`, None where there is none."""
        runs = (run for run in self._registry.live if run.mints)
        return owner_of(token, ((run.id, run.token_hash) for run in runs if run.token_hash))

    async def credentials(self, run_id: str) -> Lease:
        """Raises AgentkeysError and its leaves; DaemonTimeout after half a second."""
        run = self._registry.find(run_id)
        peer = Peer(os.getuid(), run.process.pid)
        profile = None
        try:
            profile = self._terms.profile(run)
            newest = await self._lease(run, profile, seconds=COLD_SECONDS, patience=AT_ONCE)
            lease = self._repeats.answer(run.id, newest)
            await self._records.served(profile, lease, peer, run_id=run.id)
        except AgentkeysError as problem:
            self._records.refused(profile, problem, peer, run_id=run.id)
            raise
        return lease

    async def mint(self, run_id: str) -> Minted:
        """Raises AgentkeysError and its leaves; DaemonTimeout after 13 seconds."""
        run = self._registry.find(run_id)
        peer = Peer(os.getuid(), run.process.pid)
        profile = None
        try:
            profile = self._terms.profile(run)
            lease = await self._lease(run, profile, seconds=MINT_SECONDS)
            self._check_still(run)
            event_id = await self._records.served(
                profile, lease, peer, run_id=run.id, requested_role=VIA_JWT
            )
        except AgentkeysError as problem:
            self._records.refused(profile, problem, peer, run_id=run.id, requested_role=VIA_JWT)
            raise
        record_id = f"aud_{int(self._clock.now().timestamp())}_{event_id}"
        return Minted(lease, wallet_of(profile, lease), record_id)

    def _check_still(self, run: Run) -> None:
        """Raises UnknownRun where it has ended, or was forgotten, while a mint was waited for."""
        if self._registry.find(run.id).is_forgotten:
            raise UnknownRun(
                f"the credentials of run {run.id} have been taken away",
                hint="start the program again",
            )

    async def _lease(
        self, run: Run, profile: Profile, *, seconds: float, patience: timedelta | None = None
    ) -> Lease:
        """Waits for `seconds` where there is none, for `patience` where there is an older one."""
        terms = self._terms.of(run, profile)
        try:
            async with asyncio.timeout(seconds):
                return await self._leases.lease(terms, patience=patience)
        except TimeoutError:
            raise DaemonTimeout(
                f"credentials for {run.profile} are still being minted", hint="ask again"
            ) from None


def wallet_of(profile: Profile, lease: Lease) -> str:
    """Names the lease's user as brokers did: by the wallet, or by what the token has instead."""
    own = lease.claims.get(profile.confine.claim) if profile.confine.claim else None
    return lease.claims.get(WALLET_CLAIM) or own or lease.subject
