"""The whole way from a login to a listing, in one go: nothing stops it, nothing is tried twice.

What does not depend on each other is asked at the same time. The credentials that it has minted
are used for the proof, go nowhere else and are kept nowhere.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from dataclasses import replace
from typing import TypeVar

from agentkeys.clock import Clock
from agentkeys.doctor.asking import Asking, Published
from agentkeys.doctor.attempts import Minted, quick
from agentkeys.doctor.clocks import examine_clocks
from agentkeys.doctor.confinement import examine_confinement
from agentkeys.doctor.discovery import examine_discovery
from agentkeys.doctor.dry_run import DryRun
from agentkeys.doctor.finding import Finding, Outcome, failed, from_error, skipped
from agentkeys.doctor.keys import examine_keys
from agentkeys.doctor.mints import Mints
from agentkeys.doctor.patient import Patient
from agentkeys.doctor.probes import Probes
from agentkeys.doctor.server import examine_server
from agentkeys.doctor.session import examine_session
from agentkeys.doctor.store import examine_store
from agentkeys.doctor.token import examine_token
from agentkeys.errors import (
    AgentkeysError,
    BrokerUnreachable,
    DaemonTimeout,
    IssuerUnreachable,
    LoginRequired,
    VaultError,
)
from agentkeys.models import WebIdentityToken
from agentkeys.transport import Transport

__all__ = ["Doctor"]

T = TypeVar("T")
U = TypeVar("U")

_AWAY = (BrokerUnreachable, IssuerUnreachable, DaemonTimeout)
"""Why no token comes where its server does not answer."""


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


class _Walk:
    """One walk; `found` grows as it goes."""

    def __init__(
        self, patient: Patient, *, mints: Mints, transport: Transport, clock: Clock
    ) -> None:
        self.found: dict[str, Finding] = {}
        self._patient = patient
        self._times = transport.times
        self._clock = clock
        stores = Probes(transport=transport)
        self._asking = Asking(patient=patient, stores=stores, transport=transport)
        self._dry_run = DryRun(
            patient=patient,
            mints=mints,
            stores=stores,
            times=transport.times,
            found=self.found,
        )

    async def walk(self) -> list[Finding]:
        identity, profile, asking = self._patient.identity, self._patient.profile, self._asking
        (server, published), (sts, s3), token = await asyncio.gather(
            _both(asking.server(), asking.publishes(identity.url)),
            _both(asking.sts(), asking.s3()),
            asking.token(),
        )
        problem = token if isinstance(token, AgentkeysError) else None
        good = token if isinstance(token, WebIdentityToken) else None
        if published is None and good:
            published = await asking.publishes(good.issuer)
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
        async for finding in self._dry_run.findings(good):
            self._keep(finding)
        return list(self.found.values())

    def _keep(self, finding: Finding) -> None:
        self.found[finding.step] = finding

    def _keep_clock(self) -> None:
        server = self._times.skew(self._patient.identity.url)
        store = self._times.skew(self._patient.terms.sts_endpoint)
        self._keep(examine_clocks(server=server, store=store))

    def _keep_published(self, published: Published | None, token: WebIdentityToken | None) -> None:
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
        if isinstance(problem, _AWAY) and session is None and self._has_failed("server"):
            self._keep(skipped("session", "it needs the server, which does not answer"))
            return
        now = self._times.now(self._patient.identity.url)
        self._keep(examine_session(self._patient.identity, session, problem=problem, now=now))

    def _of_token(self, token: WebIdentityToken | None, problem: AgentkeysError | None) -> Finding:
        if token:
            return examine_token(token, self._patient.profile)
        if isinstance(problem, LoginRequired | VaultError):
            return skipped("token", "it needs a login")
        if problem is None or (isinstance(problem, _AWAY) and self._has_failed("server")):
            return skipped("token", "it needs the server, which does not answer")
        if isinstance(problem, DaemonTimeout):
            return failed("token", "token_timeout", problem.message, problem.hint)
        return from_error("token", problem)

    def _has_failed(self, step: str) -> bool:
        return self.found[step].outcome is Outcome.FAILED


async def _both(first: Awaitable[T], second: Awaitable[U]) -> tuple[T, U]:
    return await asyncio.gather(first, second)
