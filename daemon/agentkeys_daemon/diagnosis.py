"""The daemon's part of the doctor: from the keyring to the proof of isolation.

What it mints is in the ledger, leaves the daemon in no way, and is no lease of anybody.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from agentkeys.claims import OMNI_CLAIM, WALLET_CLAIM
from agentkeys.clock import Clock
from agentkeys.config import CommandIdentity, Config, Identity, Profile
from agentkeys.doctor.endpoints import s3_endpoint
from agentkeys.doctor.finding import STEPS, Finding
from agentkeys.doctor.patient import Patient
from agentkeys.doctor.probes import TOTAL_SECONDS
from agentkeys.doctor.surroundings import examine_keyring, examine_ledger, examine_memory
from agentkeys.doctor.walk import Doctor
from agentkeys.documents import DEFAULT_REGION
from agentkeys.errors import AgentkeysError, SourceAbsent, VaultError, VaultUnavailable
from agentkeys.leases import Lease, LeaseTerms
from agentkeys.models import WebIdentityToken
from agentkeys.sessions import BrokerSession
from agentkeys.transport import Transport
from agentkeys.vault import OpenedVault
from agentkeys_daemon.identities import Identities
from agentkeys_daemon.ledger.head import LedgerHead
from agentkeys_daemon.ledger.records import Recorder
from agentkeys_daemon.profile_leases import ProfileLeases

__all__ = ["Diagnosis"]

KEYRING_SECONDS = 2.5
_NEVER_SAVED = "doctor"


class Diagnosis:
    """Examines profiles."""

    def __init__(
        self,
        *,
        config: Callable[[], Config],
        opened: OpenedVault,
        identities: Identities,
        leases: ProfileLeases,
        records: Recorder,
        head: LedgerHead,
        transport: Transport,
        clock: Clock,
    ) -> None:
        self._config = config
        self._opened = opened
        self._identities = identities
        self._leases = leases
        self._records = records
        self._head = head
        self._doctor = Doctor(transport=transport, clock=clock, minted=self._minted)

    async def examine(
        self,
        profile: Profile,
        *,
        hardening: Mapping[str, bool] | None,
        absent: SourceAbsent | None = None,
    ) -> list[Finding]:
        """One finding for each step of the daemon's, in their order; raises ConfigError.

        `hardening` is what the daemon's health tells of how its memory is protected, `absent` why
        whoever asks has nothing to fetch tokens with.
        """
        patient = self._patient(profile)
        if absent:
            # What another client has handed over is that one's alone.
            patient = replace(patient, source=_NoSource(absent))
        keyring, walked = await asyncio.gather(
            self._keyring(profile.identity), self._doctor.examine(patient)
        )
        own = [
            keyring,
            examine_memory(hardening, has_swap=_has_swap()),
            examine_ledger(
                self._records.trouble,
                is_required=self._config().is_audit_required,
                head_trouble=self._head.trouble,
                facts={
                    "head_kept_in": self._head.kept_in,
                    "head_kept": self._head.kept.seq if self._head.kept else None,
                },
            ),
        ]
        return sorted((*own, *walked), key=lambda finding: STEPS.index(finding.step))

    async def _keyring(self, identity: Identity) -> Finding:
        trouble: VaultError | None = self._identities.keeper(identity).trouble
        vault = self._opened.vault
        try:
            async with asyncio.timeout(KEYRING_SECONDS):
                await vault.load(_NEVER_SAVED)
        except VaultError as problem:
            trouble = problem
        except TimeoutError:
            trouble = VaultUnavailable(
                f"the OS keyring did not answer within {KEYRING_SECONDS:g} s",
                hint="answer its prompt, or restart its service",
            )
        return examine_keyring(
            kind=vault.kind,
            detail=self._opened.detail,
            trouble=trouble,
            logs_in=identity.logs_in,
        )

    def _patient(self, profile: Profile) -> Patient:
        identity = profile.identity
        keeper = self._identities.keeper(identity)
        region = profile.region or DEFAULT_REGION
        seconds = TOTAL_SECONDS
        if isinstance(identity, CommandIdentity):
            seconds = max(seconds, identity.timeout.total_seconds())
        return Patient(
            terms=self._leases.terms(profile),
            source=self._identities.of(identity).source,
            held_session=lambda: keeper.held_session,
            s3_endpoint=s3_endpoint(profile.store, region),
            region=region,
            others=self._others(profile),
            token_seconds=seconds,
        )

    def _others(self, profile: Profile) -> Mapping[str, str] | None:
        """What the tokens of another identity at the same source say, as far as that is held."""
        own = profile.identity
        for identity in self._config().identities.values():
            is_own = identity.name == own.name
            if is_own or (identity.source, identity.url) != (own.source, own.url):
                continue
            keeper = self._identities.keeper(identity)
            for lease in keeper.held_leases.values():
                return lease.claims
            if isinstance(session := keeper.held_session, BrokerSession):
                return {WALLET_CLAIM: session.subject, OMNI_CLAIM: session.omni}
        return None

    async def _minted(self, terms: LeaseTerms, outcome: Lease | AgentkeysError) -> None:
        if isinstance(outcome, Lease):
            await self._records.minted(terms.profile, outcome, run_id=None)
        else:
            self._records.mint_failed(terms.profile, outcome, run_id=None)


class _NoSource:
    """A token source of somebody who has none."""

    def __init__(self, problem: SourceAbsent) -> None:
        self._problem = problem

    async def subject(self) -> str:
        raise self._problem

    def held_subject(self) -> str | None:
        return None

    async def fetch_token(self, subject: str) -> WebIdentityToken:
        raise self._problem


def _has_swap() -> bool:
    """Whether this machine may write memory to a disk; yes where it does not tell."""
    try:
        listed = Path("/proc/swaps").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return True
    return len(listed.splitlines()) > 1
