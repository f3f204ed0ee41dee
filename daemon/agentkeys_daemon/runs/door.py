"""What the endpoint serves: a run's lease, from memory."""

from __future__ import annotations

import asyncio
import os
from datetime import timedelta

from agentkeys.config import Profile
from agentkeys.errors import AgentkeysError, DaemonTimeout, UnknownRun
from agentkeys.leases import Lease
from agentkeys_daemon.peers import Peer
from agentkeys_daemon.profile_leases import ProfileLeases
from agentkeys_daemon.records import Recorder
from agentkeys_daemon.repeating import Repeats
from agentkeys_daemon.runs.registry import RunRegistry
from agentkeys_daemon.runs.run import Run
from agentkeys_daemon.runs.terms import RunTerms

__all__ = ["RunDoor"]

COLD_SECONDS = 0.5
"""SDKs wait a second for the endpoint; one that has nothing to serve says so before that."""
AT_ONCE = timedelta(0)


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
    ) -> None:
        self._registry = registry
        self._terms = terms
        self._leases = leases
        self._repeats = repeats
        self._records = records

    def token_hash(self, run_id: str) -> str | None:
        """Of a live run's token, None where no such run has one."""
        try:
            return self._registry.find(run_id).token_hash
        except UnknownRun:
            return None

    async def credentials(self, run_id: str) -> Lease:
        """Raises AgentkeysError and its leaves; DaemonTimeout after half a second."""
        run = self._registry.find(run_id)
        peer = Peer(os.getuid(), run.process.pid)
        profile = None
        try:
            profile = self._terms.profile(run)
            lease = self._repeats.answer(run.id, await self._lease(run, profile))
        except AgentkeysError as problem:
            self._records.refused(profile, problem, peer, run_id=run.id)
            raise
        self._records.served(profile, lease, peer, run_id=run.id)
        return lease

    async def _lease(self, run: Run, profile: Profile) -> Lease:
        try:
            async with asyncio.timeout(COLD_SECONDS):
                return await self._leases.lease(self._terms.of(run, profile), patience=AT_ONCE)
        except TimeoutError:
            raise DaemonTimeout(
                f"credentials for {run.profile} are still being minted", hint="ask again"
            ) from None
