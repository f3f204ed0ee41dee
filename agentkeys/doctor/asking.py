"""What the doctor asks the servers along the way; what fails is an answer too."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from agentkeys.doctor.discovery import discovery_url, jwks_uri, leads_inward
from agentkeys.doctor.patient import Patient
from agentkeys.doctor.probes import Page, Probes
from agentkeys.doctor.server import health_url
from agentkeys.doctor.store import PING
from agentkeys.errors import AgentkeysError, DaemonTimeout
from agentkeys.models import WebIdentityToken
from agentkeys.transport import Transport

__all__ = ["Asking", "Published"]


@dataclass(frozen=True, slots=True)
class Published:
    """What an issuer publishes."""

    discovery: Page
    keys: Page | None
    """None where the document names none, or none that may be fetched."""


class Asking:
    """Of one patient's servers; `stores` are the probes for those of the store."""

    def __init__(self, *, patient: Patient, stores: Probes, transport: Transport) -> None:
        self._patient = patient
        self._stores = stores
        # The identity's own servers may have authorities of their own.
        self._theirs = Probes(transport=transport.trusting(patient.identity.ca_file))

    async def server(self) -> Page | None:
        """Whether whoever gives the tokens is there; None where it is no server."""
        url = health_url(self._patient.identity)
        return await self._theirs.get(url) if url else None

    async def publishes(self, issuer: str | None) -> Published | None:
        """None where nobody knows the issuer yet."""
        if issuer is None:
            return None
        page = await self._theirs.get(discovery_url(issuer))
        uri = jwks_uri(page) if page.status == 200 else None
        if uri is None or leads_inward(page, uri):
            return Published(page, None)
        return Published(page, await self._theirs.get(uri))

    async def sts(self) -> Page:
        return await self._stores.post(self._patient.terms.sts_endpoint, PING)

    async def s3(self) -> Page | None:
        """None where it is the STS's own server, or nobody has said that there is one."""
        s3, profile = self._patient.s3_endpoint, self._patient.profile
        if profile.bucket is None and profile.store.s3_endpoint is None:
            return None
        if s3.rstrip("/") == self._patient.terms.sts_endpoint.rstrip("/"):
            return None
        return await self._stores.get(s3)

    async def token(self) -> WebIdentityToken | AgentkeysError:
        """A fresh one, or why there is none."""
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
