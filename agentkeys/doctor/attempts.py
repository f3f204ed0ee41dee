"""Asks an STS in the doctor's way: soon or not at all, each call once, each success reported."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta

from agentkeys.clock import Clock
from agentkeys.doctor.probes import CONNECT_SECONDS, TOTAL_SECONDS
from agentkeys.errors import AgentkeysError, StsError, StsUnreachable
from agentkeys.leases import Lease, LeaseTerms, Minter
from agentkeys.models import AssumedRole, WebIdentityToken
from agentkeys.scopes import WHOLE
from agentkeys.stores import StoreKind
from agentkeys.sts.answer import parse_answer
from agentkeys.sts.client import StsClient
from agentkeys.sts.refusals import Audiences
from agentkeys.sts.request import AssumeRoleRequest, form
from agentkeys.transport import Transport, TransportError

__all__ = ["Minted", "StoreAttempts", "quick"]

Minted = Callable[[LeaseTerms, Lease | AgentkeysError], Awaitable[None]]
"""Hears of every mint and of every refusal that counts."""


def quick(terms: LeaseTerms, *, transport: Transport, clock: Clock) -> LeaseTerms:
    """The same terms, with an answer soon or not at all; raises ConfigError."""
    client = StsClient(
        transport=transport,
        clock=clock,
        store=terms.profile.store.kind,
        endpoint=terms.sts_endpoint,
    )
    return replace(terms, exchange=_Quick(client))


class StoreAttempts:
    """What the store says to the same token when something else is asked."""

    def __init__(
        self,
        *,
        terms: LeaseTerms,
        token: WebIdentityToken,
        minter: Minter,
        transport: Transport,
        clock: Clock,
        minted: Minted,
    ) -> None:
        self._terms = terms
        self._token = token
        self._minter = minter
        self._transport = transport
        self._clock = clock
        self._minted = minted

    async def without_role(self) -> StsError | None:
        store, endpoint = self._terms.profile.store.kind, self._terms.sts_endpoint
        exchange = _Unchecked(self._transport, self._clock, store, endpoint)
        profile = replace(self._terms.profile, role_arn=None)
        return await self._try(replace(self._terms, profile=profile, exchange=exchange))

    async def without_policy(self) -> StsError | None:
        return await self._try(replace(self._terms, scope=WHOLE))

    async def for_time(self, duration: timedelta) -> StsError | None:
        profile = replace(self._terms.profile, duration=duration)
        return await self._try(replace(self._terms, profile=profile))

    async def _try(self, terms: LeaseTerms) -> StsError | None:
        try:
            lease = await self._minter.mint_once(terms, self._token)
        except StsError as problem:
            return problem
        # Thrown away, but it has been given.
        await self._minted(terms, lease)
        return None


class _Quick:
    def __init__(self, client: StsClient) -> None:
        self._client = client

    async def assume_role_with_web_identity(
        self, request: AssumeRoleRequest, *, audiences: Audiences | None = None
    ) -> AssumedRole:
        return await self._client.assume_role_with_web_identity(
            request, timeout=TOTAL_SECONDS, audiences=audiences
        )


class _Unchecked:
    """Sends what the store is known to refuse, to hear its reason."""

    def __init__(self, transport: Transport, clock: Clock, store: StoreKind, endpoint: str) -> None:
        self._transport = transport
        self._clock = clock
        self._store = store
        self._endpoint = endpoint

    async def assume_role_with_web_identity(
        self, request: AssumeRoleRequest, *, audiences: Audiences | None = None
    ) -> AssumedRole:
        try:
            answer = await self._transport.send(
                "POST",
                self._endpoint,
                form=form(request),
                timeout=TOTAL_SECONDS,
                connect_timeout=CONNECT_SECONDS,
            )
        except TransportError as problem:
            raise StsUnreachable(problem.message, hint=problem.hint) from problem
        return parse_answer(
            answer.status,
            answer.headers,
            answer.body,
            store=self._store,
            now=self._clock.now(),
            request=request,
            audiences=audiences,
        )
