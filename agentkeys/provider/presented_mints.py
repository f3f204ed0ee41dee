"""Trades presented tokens for credentials, once however many present the same one."""

from __future__ import annotations

import asyncio
import logging
from copy import copy
from dataclasses import dataclass
from datetime import timedelta

from agentkeys.clock import Clock, format_utc
from agentkeys.documents import credential_variables, place_variables
from agentkeys.errors import AgentkeysError, StsError, StsTokenRefused, WrongIdentity
from agentkeys.flights import Flights
from agentkeys.leases import FailureMemory, Freshness, LeaseTerms, Minter
from agentkeys.leases.cache import PATIENCE
from agentkeys.leases.schedule import latest_refresh
from agentkeys.provider.held import HeldCredential, HeldCredentials
from agentkeys.provider.presented import PresentedToken
from agentkeys.provider.settings import Setting
from agentkeys.provider.stores import StsStores
from agentkeys.scopes import profile_scope
from agentkeys.secret import Secret
from agentkeys.served import ServedCredentials, read_served

__all__ = ["CredentialRequest", "PresentedMints", "closed"]

log = logging.getLogger("agentkeys.provider")

REFUSED_REST = timedelta(minutes=1)
"""How long a token that a store has refused is not shown to it again."""

FAILURES = 1_000
"""How many are remembered: a flood of forged tokens must cost no more memory than this."""


@dataclass(frozen=True, slots=True)
class CredentialRequest:
    """What one call asks for."""

    setting: Setting
    token: Secret
    key: bytes


class PresentedMints:
    """Serves requests; belongs to the event loop that first brings one, until `aclose`."""

    def __init__(
        self,
        *,
        held: HeldCredentials,
        stores: StsStores,
        minter: Minter,
        clock: Clock,
        patience: timedelta = PATIENCE,
    ) -> None:
        self._held = held
        self._stores = stores
        self._minter = minter
        self._clock = clock
        self._patience = patience
        self._failures = FailureMemory(clock=clock, limit=FAILURES)
        self._flights: Flights[bytes, HeldCredential] = Flights()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._is_closed = False

    async def serve(self, request: CredentialRequest) -> ServedCredentials:
        """Credentials that are good now, and that only this token and this profile can get.

        Raises TokenError, StsError, ConfigError, DaemonTimeout; RuntimeError once it is closed and
        in another event loop.
        """
        self._check_loop()
        held = self._held.get(request.key)
        freshness = held.freshness(self._clock) if held else Freshness.OVER
        if held is None or freshness is Freshness.OVER:
            if problem := self._failures.recall(request.key, needed=True):
                raise copy(problem)
            return await self._wait(request)
        if freshness is Freshness.FRESH or self._failures.recall(request.key):
            return held.served
        minting = self._join(request)
        if freshness is Freshness.EARLY:
            return held.served
        return await self._await_or_keep(request, minting)

    async def aclose(self) -> None:
        """Ends the mints under way; whoever waits for one gets a RuntimeError."""
        self._is_closed = True
        tasks = [task for _, task in self._flights.items()]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        await self._stores.aclose()

    async def _wait(self, request: CredentialRequest) -> ServedCredentials:
        minting = self._join(request)
        try:
            # A caller that gives up must not take the mint down with it: others wait for it too.
            return (await asyncio.shield(minting)).served
        except asyncio.CancelledError:
            if self._is_closed and minting.cancelled():
                raise closed() from None
            raise

    async def _await_or_keep(
        self, request: CredentialRequest, minting: asyncio.Task[HeldCredential]
    ) -> ServedCredentials:
        await asyncio.wait({minting}, timeout=self._patience.total_seconds())
        if minting.done() and not minting.cancelled() and minting.exception() is None:
            return minting.result().served
        # It may have been invalidated meanwhile: then there is nothing to go on with.
        held = self._held.get(request.key)
        if held is None or held.freshness(self._clock) is Freshness.OVER:
            return await self._wait(request)
        return held.served

    def _join(self, request: CredentialRequest) -> asyncio.Task[HeldCredential]:
        return self._flights.join(request.key, lambda: self._mint(request))

    async def _mint(self, request: CredentialRequest) -> HeldCredential:
        profile = request.setting.profile
        source = PresentedToken(
            request.token,
            profile=profile,
            exchange=self._stores.exchange(request.setting),
            now=lambda: self._stores.now(request.setting),
        )
        terms = LeaseTerms(profile, request.setting.sts_endpoint, source, profile_scope(profile))
        try:
            subject = await source.subject()
            lease = await self._minter.mint(terms, source, subject=subject, plan=_plan)
        except WrongIdentity as problem:
            # There is nobody to log in.
            raise WrongIdentity(
                f"the profile {profile.name} is for somebody else than the token names",
                hint="present the token of whom expect_subject or expect_wallet names",
            ) from problem
        except AgentkeysError as problem:
            self._failed(request, problem)
            raise
        variables = credential_variables(lease)
        variables |= place_variables(profile, lease, inherited_region=None)
        credential = HeldCredential(lease, read_served(variables), source.expires_at)
        self._failures.forget(request.key)
        self._held.keep(request.key, credential)
        return credential

    def _failed(self, request: CredentialRequest, problem: AgentkeysError) -> None:
        held = self._held.get(request.key)
        left = max(timedelta(0), held.lease.remaining(self._clock)) if held else timedelta(0)
        if isinstance(problem, StsError) or problem.retryable:
            rest = REFUSED_REST if isinstance(problem, StsTokenRefused) else timedelta(0)
            # A copy: the one that is raised holds on to whatever was on the way, the token too.
            self._failures.remember(request.key, copy(problem), left=left, at_least=rest)
        if held and left:
            log.warning(
                "credentials …%s of profile %s could not be refreshed, they last until %s: %s (%s)",
                held.lease.credentials.key_ending,
                request.setting.profile.name,
                format_utc(held.lease.credentials.expires_at),
                problem.message,
                problem.hint,
            )

    def _check_loop(self) -> None:
        loop = asyncio.get_running_loop()
        if self._is_closed:
            raise closed()
        if self._loop is None:
            self._loop = loop
        if self._loop is not loop:
            raise RuntimeError("the provider belongs to another event loop: make one for each")


def closed() -> RuntimeError:
    """What a call gets that comes too late."""
    return RuntimeError("the provider is closed")


def _plan(lifetime: timedelta, draw: float) -> timedelta:
    """Late: the token that the next ones are minted with may be over long before."""
    return latest_refresh(lifetime) * (0.9 + 0.1 * draw)
