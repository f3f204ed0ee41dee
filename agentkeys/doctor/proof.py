"""Asks an S3 what the proof of isolation needs to know."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace

from agentkeys.doctor.finding import Finding, skipped
from agentkeys.doctor.foreign import foreign_prefix
from agentkeys.doctor.isolation import examine_isolation
from agentkeys.doctor.listing import Listing, read_listing
from agentkeys.doctor.mints import Mints
from agentkeys.doctor.patient import Patient
from agentkeys.doctor.probes import Page, Probes
from agentkeys.doctor.sigv4 import sign_get
from agentkeys.errors import StsError, TokenError
from agentkeys.leases import Lease
from agentkeys.leases.minting import plain_claims
from agentkeys.models import WebIdentityToken
from agentkeys.prefix import render_prefix
from agentkeys.scopes import WHOLE
from agentkeys.server_times import ServerTimes

__all__ = ["Proof"]


class Proof:
    """Of one patient's isolation."""

    def __init__(
        self, *, patient: Patient, mints: Mints, stores: Probes, times: ServerTimes
    ) -> None:
        self._patient = patient
        self._mints = mints
        self._stores = stores
        self._times = times

    async def prove(
        self, lease: Lease, token: WebIdentityToken, *, confinement: Finding
    ) -> Finding:
        """With the session of `lease`, or with one that is whole where that was narrowed."""
        profile = self._patient.profile
        if not self._patient.terms.scope.is_whole:
            # A narrowed session would hide what the store itself allows.
            try:
                lease = await self._mints.mint(replace(self._patient.terms, scope=WHOLE), token)
            except StsError as problem:
                return skipped("isolation", f"it needs a session that is whole: {problem.message}")
        template = _as_folder(profile.prefix or "")
        try:
            own = render_prefix(template, lease.claims)
        except TokenError as problem:
            return skipped("isolation", f"the own prefix is not known: {problem.message}")
        theirs, is_real = foreign_prefix(template, plain_claims(token.claims), self._patient.others)
        seen = await asyncio.gather(self._list(own, lease), self._list(theirs, lease))
        is_closed = all(listing.is_denied for listing in seen)
        return examine_isolation(
            *seen,
            profile=profile,
            is_real=is_real,
            confinement=confinement,
            finds_bucket=await self._finds_bucket(lease) if is_closed else None,
        )

    async def _list(self, prefix: str, lease: Lease) -> Listing:
        asked = {"list-type": "2", "max-keys": "1", "prefix": prefix}
        return read_listing(prefix, await self._ask_s3(asked, lease))

    async def _finds_bucket(self, lease: Lease) -> bool:
        return (await self._ask_s3({"location": ""}, lease)).status == 200

    async def _ask_s3(self, asked: Mapping[str, str], lease: Lease) -> Page:
        s3 = self._patient.s3_endpoint
        request = sign_get(
            s3,
            f"/{self._patient.profile.bucket}",
            asked,
            credentials=lease.credentials,
            region=self._patient.region,
            at=self._times.now(s3),
        )
        return await self._stores.get(request.url, headers=request.headers)


def _as_folder(template: str) -> str:
    return template if template.endswith("/") else f"{template}/"
