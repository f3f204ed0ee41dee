"""What runs for each identity: what is held for it, where its tokens come from, its leases."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from agentkeys.clock import Clock
from agentkeys.config import Identity, SandboxIdentity
from agentkeys.keeper import Keeper
from agentkeys.leases import FailureMemory, LeaseCache, Minter, Report
from agentkeys.server_times import ServerTimes
from agentkeys.tokens import TokenSource
from agentkeys.vault import Vault
from agentkeys_daemon.token_sources import TokenSources

__all__ = ["Identities", "LiveIdentity"]


@dataclass(frozen=True, slots=True)
class LiveIdentity:
    """One configured identity at work: where its tokens come from, and its leases."""

    identity: Identity
    source: TokenSource
    leases: LeaseCache


class Identities:
    """The identities at work, each made when it is first asked for.

    An identity whose configuration changes is made anew, around the same keeper.
    """

    def __init__(
        self,
        *,
        vault: Vault,
        times: ServerTimes,
        clock: Clock,
        state: Path,
        report: Report,
        sources: TokenSources,
    ) -> None:
        """`report` hears of mints."""
        self._vault = vault
        self._times = times
        self._sources = sources
        self._clock = clock
        self._state_id = hashlib.sha256(bytes(state)).hexdigest()[:8]
        self._report = report
        self._keepers: dict[str, Keeper] = {}
        self._live: dict[str, LiveIdentity] = {}

    def of(self, identity: Identity) -> LiveIdentity:
        live = self._live.get(identity.name)
        if live is None or live.identity != identity:
            live = self._live[identity.name] = self._make(identity)
        return live

    def keeper(self, identity: Identity) -> Keeper:
        """What is held for `identity`.

        A sandbox's user, who logs in unasked, never shares it with a person of the same name.
        """
        name = identity.name
        own = f"{identity.source}:{name}" if isinstance(identity, SandboxIdentity) else name
        keeper = self._keepers.get(own)
        if keeper is None:
            keeper = self._keepers[own] = Keeper(
                identity=name,
                account=f"{own}@{self._state_id}",
                vault=self._vault,
                clock=self._clock,
                times=self._times,
            )
        return keeper

    @property
    def live(self) -> Collection[LiveIdentity]:
        """Those that have been asked for."""
        return self._live.values()

    def mend(self) -> None:
        """Has writes that failed tried again, now and then."""
        for keeper in self._keepers.values():
            keeper.mend()

    async def flush(self) -> None:
        """Waits until everything held is written."""
        await asyncio.gather(*(keeper.flush() for keeper in self._keepers.values()))

    def _make(self, identity: Identity) -> LiveIdentity:
        keeper = self.keeper(identity)
        source = self._sources.make(identity, keeper)
        leases = LeaseCache(
            source=source,
            origin=identity.origin,
            minter=Minter(clock=self._clock),
            holder=keeper,
            failures=FailureMemory(clock=self._clock),
            clock=self._clock,
            report=self._report,
        )
        return LiveIdentity(identity, source, leases)
