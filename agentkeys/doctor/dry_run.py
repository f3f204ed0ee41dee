"""Tries the role, and with what it gives the isolation; or explains why it gives nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping

from agentkeys.doctor.finding import Finding, Outcome, from_error, skipped
from agentkeys.doctor.foreign import why_no_proof
from agentkeys.doctor.lifetime import examine_lifetime
from agentkeys.doctor.mints import Mints
from agentkeys.doctor.patient import Patient
from agentkeys.doctor.probes import Probes
from agentkeys.doctor.proof import Proof
from agentkeys.doctor.refusal import Known
from agentkeys.doctor.role import examine_role, granted
from agentkeys.doctor.store import S3_UNREACHABLE
from agentkeys.errors import AgentkeysError, TokenError
from agentkeys.leases import Lease
from agentkeys.leases.minting import check_token
from agentkeys.models import WebIdentityToken
from agentkeys.server_times import ServerTimes

__all__ = ["DryRun"]


class DryRun:
    """Of one patient, after the other steps: `found` is what those have come to."""

    def __init__(
        self,
        *,
        patient: Patient,
        mints: Mints,
        stores: Probes,
        times: ServerTimes,
        found: Mapping[str, Finding],
    ) -> None:
        self._patient = patient
        self._mints = mints
        self._proof = Proof(patient=patient, mints=mints, stores=stores, times=times)
        self._found = found

    async def findings(self, token: WebIdentityToken | None) -> AsyncIterator[Finding]:
        """Of the role, the lifetime and the isolation."""
        why = self._why_not(token)
        if why or token is None:
            for step in ("role", "lifetime", "isolation"):
                yield skipped(step, why or "it needs a token")
            return
        profile = self._patient.profile
        try:
            lease = await self._mints.mint(self._patient.terms, token)
        except AgentkeysError as problem:
            yield await self._explain(problem, token)
            for step in ("lifetime", "isolation"):
                yield skipped(step, "it needs credentials")
            return
        yield granted(lease, profile)
        yield examine_lifetime(lease.lifetime, profile.duration)
        yield await self._prove(lease, token)

    def _why_not(self, token: WebIdentityToken | None) -> str | None:
        profile, store = self._patient.profile, self._found["store"]
        if profile.is_break_glass:
            return f"the profile {profile.name} is for break-glass: nothing is minted along the way"
        if token is None:
            return "it needs a token"
        try:
            check_token(profile, token)
        except TokenError as problem:
            return f"such a token is shown to no store: {problem.message}"
        if store.outcome is Outcome.FAILED and not self._lacks_s3:
            return "it needs the store's STS"
        return None

    @property
    def _lacks_s3(self) -> bool:
        """Whether all that is wrong with the store is its S3."""
        return self._found["store"].code == S3_UNREACHABLE

    async def _explain(self, problem: AgentkeysError, token: WebIdentityToken) -> Finding:
        attempts = self._mints.attempts(self._patient.terms, token)
        known = Known(token, self._found)
        try:
            return await examine_role(problem, self._patient.profile, known, attempts)
        except AgentkeysError:
            # An attempt that failed in another way explains nothing; the refusal stands.
            return from_error("role", problem)

    async def _prove(self, lease: Lease, token: WebIdentityToken) -> Finding:
        if why := why_no_proof(self._patient.profile):
            return skipped("isolation", why)
        if self._lacks_s3:
            return skipped("isolation", "it needs the store's S3, which does not answer")
        return await self._proof.prove(lease, token, confinement=self._found["confinement"])
