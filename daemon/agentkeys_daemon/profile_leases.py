"""The leases of profiles: which identity's cache holds them, and which STS they come from."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

from agentkeys.clock import Clock
from agentkeys.config import Identity, Profile
from agentkeys.documents import DEFAULT_REGION
from agentkeys.errors import BreakGlassRequired, WrongIdentity
from agentkeys.leases import Lease, LeaseCache, LeaseTerms, Minter
from agentkeys.models import TokenUser
from agentkeys.scopes import Scope, profile_scope
from agentkeys.sts.client import StsClient
from agentkeys.tokens import TokenSource
from agentkeys.transport import Transport
from agentkeys_daemon.identities import Identities

__all__ = ["ProfileLeases", "check_open"]


def check_open(profile: Profile) -> None:
    """Raises BreakGlassRequired for a profile that is served on purpose alone."""
    if profile.is_break_glass:
        raise BreakGlassRequired(
            f"the profile {profile.name} is for break-glass alone",
            hint=f"at a terminal, run: agentkeys exec --profile {profile.name} --break-glass"
            ' --reason "…" -- PROGRAM',
        )


class ProfileLeases:
    """Serves, refreshes and forgets leases; raises AgentkeysError and its leaves."""

    def __init__(
        self,
        *,
        identities: Identities,
        transport: Transport,
        clock: Clock,
        as_now: Callable[[Profile], Profile],
    ) -> None:
        """`as_now` gives a profile as it is configured by now; raises nothing."""
        self._as_now = as_now
        self._identities = identities
        self._transport = transport
        self._clock = clock
        self._minter = Minter(clock=clock)

    def terms(
        self,
        profile: Profile,
        *,
        scope: Scope | None = None,
        run_id: str | None = None,
        user: TokenUser | None = None,
    ) -> LeaseTerms:
        """What a lease of `profile` is asked for, in its own scope unless another one is given."""
        endpoint = self._endpoint(profile)
        client = StsClient(
            transport=self._transport,
            clock=self._clock,
            store=profile.store.kind,
            endpoint=endpoint,
        )
        found = profile_scope(profile) if scope is None else scope
        return LeaseTerms(profile, endpoint, client, found, run_id, user)

    async def lease(
        self,
        terms: LeaseTerms,
        *,
        at_least: timedelta = timedelta(0),
        patience: timedelta | None = None,
    ) -> Lease:
        """A lease with `at_least` left, or as new as can be within `patience`.

        Every door comes through here but that of break-glass: of a profile that is for that alone
        it raises BreakGlassRequired.
        """
        check_open(terms.profile)
        lease = await self._cache(terms).lease(terms, at_least=at_least, patience=patience)
        # It may have become one while it was minted.
        check_open(self._as_now(terms.profile))
        return lease

    async def subject(self, profile: Profile) -> str:
        """The source's word for whom `profile` is about now; raises LoginRequired, VaultError."""
        await self._identities.keeper(profile.identity).load()
        return await self._source(profile).subject()

    async def mint_once(self, terms: LeaseTerms, subject: str) -> Lease:
        """A lease for one asker: shared with nobody, kept nowhere, never renewed."""
        lease = await self._minter.mint(terms, self._source(terms.profile), subject=subject)
        if await self._source(terms.profile).subject() != subject:
            raise WrongIdentity(
                f"{terms.profile.identity.name} became somebody else while credentials were minted",
                hint="try again",
            )
        return lease

    def refresh(self, terms: LeaseTerms, *, is_needed: bool = False) -> timedelta | None:
        """Begins to mint it if that is due; returns how long until it will be, None if never.

        `is_needed` says that somebody uses it, even if they have not asked for long.
        """
        if terms.profile.is_break_glass:
            return None
        return self._cache(terms).refresh(terms, is_needed=is_needed)

    async def forget(self, terms: LeaseTerms, *, others: Iterable[LeaseTerms]) -> datetime | None:
        """Drops the lease on `terms`, and what nothing leads to any more; the session stays.

        `others` are all terms that still count. Returns until when what was handed out lives on.
        """
        own = self._digest(terms)
        identity = terms.profile.identity
        beside = {self._digest(each) for each in others if each.profile.identity == identity}
        return await self._cache(terms).forget(
            keep={digest for digest in beside if digest and digest != own}
        )

    async def drop_run(self, run_id: str) -> None:
        """Drops a run's own leases, whatever its profile has become."""
        for live in tuple(self._identities.live):
            await live.leases.drop_run(run_id)

    def held_of_run(self, run_id: str) -> Lease | None:
        """A run's own lease in memory, whatever its profile has become."""
        held = (live.leases.held_of_run(run_id) for live in self._identities.live)
        return next(filter(None, held), None)

    def held(self, terms: LeaseTerms) -> Lease | None:
        """The lease in memory, whatever its state; for break-glass there is none."""
        return None if terms.profile.is_break_glass else self._cache(terms).held(terms)

    def is_used(self, terms: LeaseTerms) -> bool:
        """Whether that lease is kept fresh."""
        return self._cache(terms).is_used(terms)

    async def drop_others(
        self, identity: Identity, reachable: Callable[[], Iterable[LeaseTerms]]
    ) -> None:
        """Drops what `identity` has beside the leases on those terms; raises VaultError."""
        # Before that nobody knows who is logged in, nor by which keys leases are found.
        await self._identities.keeper(identity).load()
        own = [terms for terms in reachable() if terms.profile.identity == identity]
        digests = {self._digest(terms) for terms in own}
        await self._identities.of(identity).leases.drop_others(
            keep={digest for digest in digests if digest}
        )

    def skew(self, profile: Profile) -> timedelta | None:
        """How far the clock of the profile's STS is ahead of ours, if it has told."""
        return self._transport.times.skew(self._endpoint(profile))

    def _cache(self, terms: LeaseTerms) -> LeaseCache:
        return self._identities.of(terms.profile.identity).leases

    def _source(self, profile: Profile) -> TokenSource:
        return self._identities.of(profile.identity).source

    def _digest(self, terms: LeaseTerms) -> str | None:
        return self._cache(terms).digest(terms)

    def _endpoint(self, profile: Profile) -> str:
        """Where the profile's STS is; the client's environment has no say in it."""
        return profile.store.sts_url(profile.region or DEFAULT_REGION)
