"""The whole way from a login to a listing, in one go: nothing stops it, nothing is tried twice.

What does not depend on each other is asked at the same time. The credentials that it has minted
are used for the proof, go nowhere else and are kept nowhere.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass, replace
from typing import TypeVar

from agentkeys.clock import Clock
from agentkeys.doctor.attempts import Minted, quick
from agentkeys.doctor.clocks import examine_clocks
from agentkeys.doctor.confinement import examine_confinement
from agentkeys.doctor.discovery import discovery_url, examine_discovery, jwks_uri
from agentkeys.doctor.finding import Finding, Outcome, failed, from_error, skipped
from agentkeys.doctor.isolation import why_no_proof
from agentkeys.doctor.keys import examine_keys
from agentkeys.doctor.lifetime import examine_lifetime
from agentkeys.doctor.mints import Mints
from agentkeys.doctor.patient import Patient
from agentkeys.doctor.probes import Page, Probes
from agentkeys.doctor.proof import Proof
from agentkeys.doctor.refusal import Known
from agentkeys.doctor.role import examine_role, granted
from agentkeys.doctor.server import examine_server, health_url
from agentkeys.doctor.session import examine_session
from agentkeys.doctor.store import PING, S3_UNREACHABLE, examine_store
from agentkeys.doctor.token import examine_token
from agentkeys.errors import (
    AgentkeysError,
    BrokerUnreachable,
    DaemonTimeout,
    IssuerUnreachable,
    LoginRequired,
    TokenError,
    VaultError,
)
from agentkeys.leases import Lease
from agentkeys.leases.minting import check_token
from agentkeys.models import WebIdentityToken
from agentkeys.transport import Transport

__all__ = ["Doctor"]

T = TypeVar("T")


class Doctor:
    """Walks. `minted` hears of every mint, and of the refusal that was explained."""

    def __init__(
        self,
        *,
        transport: Transport,
        clock: Clock,
        minted: Minted,
    ) -> None:
        self._transport = transport
        self._clock = clock
        self._mints = Mints(transport=transport, clock=clock, minted=minted)

    async def examine(self, patient: Patient) -> list[Finding]:
        """One finding for each step from the clock to the isolation, in no order.

        Raises ConfigError where the profile's STS cannot even be addressed.
        """
        terms = quick(patient.terms, transport=self._transport, clock=self._clock)
        walk = _Walk(
            replace(patient, terms=terms),
            mints=self._mints,
            transport=self._transport,
            clock=self._clock,
        )
        return await walk.walk()


@dataclass(frozen=True, slots=True)
class _Published:
    """What an issuer publishes."""

    discovery: Page
    keys: Page | None


class _Walk:
    """One walk; `found` grows as it goes."""

    def __init__(
        self, patient: Patient, *, mints: Mints, transport: Transport, clock: Clock
    ) -> None:
        self.found: dict[str, Finding] = {}
        self._mints = mints
        self._patient = patient
        self._times = transport.times
        self._clock = clock
        # The identity's own servers may have authorities of their own.
        self._theirs = Probes(transport=transport.trusting(patient.identity.ca_file))
        self._stores = Probes(transport=transport)
        self._proof = Proof(
            patient=patient, mints=mints, stores=self._stores, times=transport.times
        )

    async def walk(self) -> list[Finding]:
        identity, profile = self._patient.identity, self._patient.profile
        (server, published), (sts, s3), token = await asyncio.gather(
            _both(self._server(), self._publishes(identity.url)),
            _both(self._stores.post(self._patient.terms.sts_endpoint, PING), self._ping_s3()),
            self._token(),
        )
        problem = token if isinstance(token, AgentkeysError) else None
        good = token if isinstance(token, WebIdentityToken) else None
        if published is None and good:
            published = await self._publishes(good.issuer)
        self._keep(examine_server(identity, server))
        self._keep_clock()
        self._keep_published(published, good)
        self._keep_session(problem)
        self._keep(self._of_token(good, problem))
        self._keep(
            examine_confinement(good, profile)
            if good
            else skipped("confinement", "it needs a token")
        )
        self._keep(examine_store(sts, s3, store=profile.store.kind, clock=self._clock))
        await self._try_role(good)
        return list(self.found.values())

    # What is asked.

    async def _server(self) -> Page | None:
        url = health_url(self._patient.identity)
        return await self._theirs.get(url) if url else None

    async def _publishes(self, issuer: str | None) -> _Published | None:
        if issuer is None:
            return None
        page = await self._theirs.get(discovery_url(issuer))
        uri = jwks_uri(page) if page.status == 200 else None
        return _Published(page, await self._theirs.get(uri) if uri else None)

    async def _ping_s3(self) -> Page | None:
        s3, profile = self._patient.s3_endpoint, self._patient.profile
        if profile.bucket is None and profile.store.s3_endpoint is None:
            return None  # nobody has said that there is one
        if s3.rstrip("/") == self._patient.terms.sts_endpoint.rstrip("/"):
            return None
        return await self._stores.get(s3)

    async def _token(self) -> WebIdentityToken | AgentkeysError:
        source, seconds = self._patient.source, self._patient.token_seconds
        try:
            async with asyncio.timeout(seconds):
                return await source.fetch_token(await source.subject())
        except AgentkeysError as problem:
            return problem
        except TimeoutError:
            return DaemonTimeout(
                f"no token of {self._patient.identity.name} within {seconds:g} s",
                hint="see whether its server, or the command that gives it, hangs",
            )

    # What it means.

    def _keep(self, finding: Finding) -> None:
        self.found[finding.step] = finding

    def _keep_clock(self) -> None:
        server = self._times.skew(self._patient.identity.url)
        store = self._times.skew(self._patient.terms.sts_endpoint)
        self._keep(examine_clocks(server=server, store=store))

    def _keep_published(self, published: _Published | None, token: WebIdentityToken | None) -> None:
        store, identity = self._patient.profile.store.kind, self._patient.identity
        if published is None:
            self._keep(skipped("discovery", "it needs a token: only that names the issuer"))
        elif self._has_failed("server") and published.discovery.answer is None:
            self._keep(skipped("discovery", "it needs the server, which does not answer"))
        else:
            page = published.discovery
            self._keep(examine_discovery(page, identity=identity, token=token, store=store))
        if published is None or published.keys is None:
            self._keep(skipped("keys", "it needs a discovery document that names them"))
        else:
            self._keep(examine_keys(published.keys, token=token, store=store))

    def _keep_session(self, problem: AgentkeysError | None) -> None:
        session = self._patient.held_session()
        if isinstance(problem, BrokerUnreachable | IssuerUnreachable) and session is None:
            self._keep(skipped("session", "it needs the server, which does not answer"))
            return
        now = self._times.now(self._patient.identity.url)
        self._keep(examine_session(self._patient.identity, session, problem=problem, now=now))

    def _of_token(self, token: WebIdentityToken | None, problem: AgentkeysError | None) -> Finding:
        if token:
            return examine_token(token, self._patient.profile)
        if isinstance(problem, LoginRequired | VaultError):
            return skipped("token", "it needs a login")
        unreachable = isinstance(problem, BrokerUnreachable | IssuerUnreachable)
        if problem is None or (unreachable and self._has_failed("server")):
            return skipped("token", "it needs the server, which does not answer")
        if isinstance(problem, DaemonTimeout):
            return failed("token", "token_timeout", problem.message, problem.hint)
        return from_error("token", problem)

    @property
    def _lacks_s3(self) -> bool:
        """Whether all that is wrong with the store is its S3."""
        return self.found["store"].code == S3_UNREACHABLE

    def _has_failed(self, step: str) -> bool:
        return self.found[step].outcome is Outcome.FAILED

    # What is tried.

    async def _try_role(self, token: WebIdentityToken | None) -> None:
        why = self._why_no_role(token)
        if why or token is None:
            for step in ("role", "lifetime", "isolation"):
                self._keep(skipped(step, why or "it needs a token"))
            return
        terms = self._patient.terms
        try:
            lease = await self._mints.mint(terms, token)
        except AgentkeysError as problem:
            await self._keep_refusal(problem, token)
            return
        profile = terms.profile
        self._keep(granted(lease, profile))
        self._keep(examine_lifetime(lease.lifetime, profile.duration))
        self._keep(await self._prove(lease, token))

    async def _prove(self, lease: Lease, token: WebIdentityToken) -> Finding:
        if why := why_no_proof(self._patient.profile):
            return skipped("isolation", why)
        if self._lacks_s3:
            return skipped("isolation", "it needs the store's S3, which does not answer")
        return await self._proof.prove(lease, token, confinement=self.found["confinement"])

    def _why_no_role(self, token: WebIdentityToken | None) -> str | None:
        profile = self._patient.profile
        if profile.is_break_glass:
            return f"the profile {profile.name} is for break-glass: nothing is minted along the way"
        if token is None:
            return "it needs a token"
        try:
            check_token(profile, token)
        except TokenError as problem:
            return f"such a token is shown to no store: {problem.message}"
        if self._has_failed("store") and not self._lacks_s3:
            return "it needs the store's STS"
        return None

    async def _keep_refusal(self, problem: AgentkeysError, token: WebIdentityToken) -> None:
        attempts = self._mints.attempts(self._patient.terms, token)
        known = Known(token, self.found)
        try:
            finding = await examine_role(problem, self._patient.profile, known, attempts)
        except AgentkeysError:
            # An attempt that failed in another way explains nothing; the refusal stands.
            finding = from_error("role", problem)
        self._keep(finding)
        for step in ("lifetime", "isolation"):
            self._keep(skipped(step, "it needs credentials"))


U = TypeVar("U")


async def _both(first: Awaitable[T], second: Awaitable[U]) -> tuple[T, U]:
    return await asyncio.gather(first, second)
