"""Takes leases away: those of a profile, or all; the sessions stay."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from datetime import datetime

from agentkeys.config import Config, Identity, Profile
from agentkeys.errors import AgentkeysError, VaultError
from agentkeys.leases import LeaseTerms
from agentkeys_daemon.identities import Identities
from agentkeys_daemon.last_errors import LastErrors
from agentkeys_daemon.ledger.records import Recorder
from agentkeys_daemon.peers import Peer
from agentkeys_daemon.profile_leases import ProfileLeases
from agentkeys_daemon.repeating import Repeats
from agentkeys_daemon.runs.service import Runs

__all__ = ["Forgetting"]


class Forgetting:
    """What `agentkeys forget` asks for; raises AgentkeysError and its leaves."""

    def __init__(
        self,
        *,
        config: Callable[[], Config],
        identities: Identities,
        leases: ProfileLeases,
        runs: Runs,
        records: Recorder,
        repeats: Repeats,
        last_errors: LastErrors,
    ) -> None:
        self._config = config
        self._identities = identities
        self._leases = leases
        self._runs = runs
        self._records = records
        self._repeats = repeats
        self._last_errors = last_errors

    async def forget(self, profile: Profile | None, peer: Peer) -> datetime | None:
        """Drops the leases of `profile`, or all; the sessions stay.

        Returns until when what was handed out of them lives on.
        """
        config = self._config()
        self._repeats.clear()
        if profile:
            own = self._leases.terms(profile)
            until = await self._leases.forget(own, others=self._terms_beside(profile))
            self._last_errors.forget(profile)
            self._records.forgot(profile, profile.identity, peer)
            return until
        # One that is configured no longer may be so again.
        gone = {live.identity.name: live.identity for live in self._identities.live}
        return await self._forget_each({**gone, **config.identities}.values(), peer)

    def _terms_beside(self, profile: Profile) -> Iterator[LeaseTerms]:
        """Of everything but `profile` and its own runs."""
        for other in self._config().profiles.values():
            if other.name != profile.name:
                yield self._leases.terms(other)
        for run in self._runs.live:
            if run.profile != profile.name:
                with suppress(AgentkeysError):
                    yield self._runs.terms(run)

    async def _forget_each(self, identities: Iterable[Identity], peer: Peer) -> datetime | None:
        """One whose vault fails keeps no other from being forgotten; it is told in the end."""
        ends, failed = [], []
        for identity in identities:
            try:
                ends.append(await self._identities.of(identity).leases.forget())
            except VaultError as problem:
                failed.append(problem)
            else:
                self._last_errors.forget_of(identity, self._config().profiles.values())
                self._records.forgot(None, identity, peer)
        if failed:
            raise failed[0]
        return max((end for end in ends if end), default=None)
