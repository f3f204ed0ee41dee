"""The leases of profiles: which identity's cache holds them, and which STS they come from."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime, timedelta

from agentkeys.clock import Clock
from agentkeys.config import Profile
from agentkeys.documents import DEFAULT_REGION
from agentkeys.errors import AgentkeysError
from agentkeys.leases import Lease, LeaseCache, LeaseTerms
from agentkeys.stores import sts_endpoint
from agentkeys.sts import StsClient
from agentkeys.transport import Transport
from agentkeys_daemon.identities import Identities

__all__ = ["ProfileLeases"]


class ProfileLeases:
    """Serves, refreshes and forgets leases by profile; raises AgentkeysError and its leaves."""

    def __init__(self, *, identities: Identities, transport: Transport, clock: Clock) -> None:
        self._identities = identities
        self._transport = transport
        self._clock = clock

    async def lease(self, profile: Profile, *, at_least: timedelta = timedelta(0)) -> Lease:
        """A lease with `at_least` left, or as new as can be."""
        return await self._cache(profile).lease(self._terms(profile), at_least=at_least)

    def refresh(self, profiles: Iterable[Profile]) -> timedelta | None:
        """Begins to mint what is due; returns how long until something will be, None if nothing."""
        pauses = []
        for profile in profiles:
            # What is wrong with one is told to whoever asks for it, and is no harm to the others.
            with suppress(AgentkeysError):
                pauses.append(self._cache(profile).refresh(self._terms(profile)))
        return min((pause for pause in pauses if pause is not None), default=None)

    async def forget(self, profile: Profile, *, others: Iterable[Profile]) -> datetime | None:
        """Drops the lease of `profile`, and what no profile leads to any more; the session stays.

        `others` are all profiles. Returns until when what was handed out of them lives on.
        """
        own = self._digest(profile)
        beside = {self._digest(other) for other in others if other.identity == profile.identity}
        return await self._cache(profile).forget(
            keep={digest for digest in beside if digest and digest != own}
        )

    def held(self, profile: Profile) -> Lease | None:
        """The lease in memory, whatever its state."""
        return self._cache(profile).held(self._terms(profile))

    def is_used(self, profile: Profile) -> bool:
        """Whether that lease is kept fresh."""
        return self._cache(profile).is_used(self._terms(profile))

    def skew(self, profile: Profile) -> timedelta | None:
        """How far the clock of the profile's STS is ahead of ours, if it has told."""
        return self._transport.times.skew(self._endpoint(profile))

    def _cache(self, profile: Profile) -> LeaseCache:
        return self._identities.of(profile.identity).leases

    def _digest(self, profile: Profile) -> str | None:
        return self._cache(profile).digest(self._terms(profile))

    def _endpoint(self, profile: Profile) -> str:
        """Where the profile's STS is; the client's environment has no say in it."""
        if profile.store.sts_endpoint:
            return profile.store.sts_endpoint
        return sts_endpoint(profile.store.kind, profile.region or DEFAULT_REGION)

    def _terms(self, profile: Profile) -> LeaseTerms:
        endpoint = self._endpoint(profile)
        client = StsClient(
            transport=self._transport,
            clock=self._clock,
            store=profile.store.kind,
            endpoint=endpoint,
        )
        return LeaseTerms(profile, endpoint, client)
