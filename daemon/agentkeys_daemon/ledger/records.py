"""Writes the ledger's lines for what the daemon does, and keeps going when it cannot."""

from __future__ import annotations

import logging
import os
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from agentkeys.audit import AuditRecord, Ledger
from agentkeys.config import Identity, Profile
from agentkeys.errors import AgentkeysError, AuditError, StsError
from agentkeys.leases import Lease
from agentkeys.sessions import Session
from agentkeys_daemon.ledger.facts import (
    failure_facts,
    lease_facts,
    peer_facts,
    run_facts,
    session_facts,
)
from agentkeys_daemon.peers import Peer
from agentkeys_daemon.runs.run import Run

__all__ = ["VIA_JWT", "Recorder"]

VIA_JWT = "data-role-via-jwt"
"""The role that those ask for who believe that they ask a broker."""

log = logging.getLogger("agentkeys.daemon")


async def _nothing_to_settle() -> None:
    pass


class Recorder:
    """Turns events into audit records.

    What cannot be written is written later, and stops nobody, with two exceptions: what hands out
    credentials raises AuditError where `is_required`, and what must be on record always does.
    """

    def __init__(
        self,
        *,
        ledger: Ledger,
        session_of: Callable[[Identity], Session | None],
        is_required: Callable[[], bool] = lambda: False,
        settle: Callable[[], Awaitable[None]] = _nothing_to_settle,
        appended: Callable[[bool], None] = lambda _at_once: None,
    ) -> None:
        """`settle` returns once what was appended is on the disk; raises AuditError.

        `appended` hears of every line, and whether it is worth more than the others.
        """
        self._trouble: AuditError | None = None
        self._ledger = ledger
        self._session_of = session_of
        self._is_required = is_required
        self._settle = settle
        self._appended = appended
        self._owes = False
        """Whether something that has to outlive the machine may not."""
        self._is_late = False
        """Whether something of that kind waits to be written at all."""

    @property
    def trouble(self) -> AuditError | None:
        """Why the last record could not be written, or not be brought to the disk.

        Or, for as long as the daemon lives, that others are missing.
        """
        return self._trouble or self._ledger.gap

    async def minted(
        self, profile: Profile, lease: Lease, *, run_id: str | None, must: bool = False
    ) -> None:
        """Returns when it is on the disk; raises AuditError where it `must` be.

        `run_id` is of the run whose own lease it is.
        """
        facts = {**self._leased(profile, lease), "uid": os.getuid(), "run_id": run_id}
        try:
            await self._append_durably("mint", facts, keep=True)
        except AuditError:
            if must:
                raise

    def mint_failed(self, profile: Profile, problem: AgentkeysError, *, run_id: str | None) -> None:
        request_id = problem.request_id if isinstance(problem, StsError) else None
        self._append(
            "mint",
            **self._profile(profile),
            **failure_facts(problem),
            sts_request_id=request_id,
            uid=os.getuid(),
            run_id=run_id,
        )

    async def break_glass(
        self, profile: Profile, peer: Peer, *, reason: str, run_id: str | None
    ) -> None:
        """Returns when it is on the disk; raises AuditError where it cannot be, whatever it is."""
        facts = {**self._profile(profile), **peer_facts(peer), "reason": reason, "run_id": run_id}
        await self._append_durably("break_glass", facts, keep=False)

    async def served(
        self,
        profile: Profile,
        lease: Lease,
        peer: Peer,
        *,
        run_id: str | None = None,
        requested_role: str | None = None,
    ) -> str:
        """Returns the event's id; raises AuditError where records are required.

        `run_id` is of the run that the peer is in, `requested_role` what it has asked for, where
        that is not the profile's role.
        """
        facts = {**self._leased(profile, lease), **peer_facts(peer), "run_id": run_id}
        if requested_role:
            facts["requested_role"] = requested_role
        return await self._hand_out("serve", facts, must=self._is_required())

    async def run_started(
        self, profile: Profile, lease: Lease, peer: Peer, run_id: str, *, must: bool = False
    ) -> None:
        """Raises AuditError where records are required, or this one `must` be."""
        facts = {**self._leased(profile, lease), **peer_facts(peer), "run_id": run_id}
        await self._hand_out("run_start", facts, must=must or self._is_required())

    def run_ended(self, run: Run) -> None:
        """Its program has ended."""
        self._append("run_end", **run_facts(run), uid=os.getuid(), pid=run.process.pid)

    def run_forgotten(self, run: Run, peer: Peer) -> None:
        """A peer had its credentials taken away."""
        self._append("forget", **run_facts(run), **peer_facts(peer))

    def refused(
        self,
        profile: Profile | None,
        problem: AgentkeysError,
        peer: Peer,
        *,
        run_id: str | None = None,
        requested_role: str | None = None,
    ) -> None:
        """A peer asked for something and did not get it; `profile` is None where none was meant."""
        facts = self._profile(profile) if profile else {}
        facts |= {**failure_facts(problem), **peer_facts(peer), "run_id": run_id}
        if requested_role:
            facts["requested_role"] = requested_role
        self._append("refuse", **facts)

    def logged(self, event: str, identity: str, session: Session | None, peer: Peer) -> None:
        """A `login` or a `logout`."""
        self._append(event, identity=identity, **session_facts(session), **peer_facts(peer))

    def forgot(self, profile: Profile | None, identity: Identity, peer: Peer) -> None:
        """A peer had the leases of a profile dropped, or all of an identity."""
        facts = self._profile(profile) if profile else {"identity": identity.name}
        self._append("forget", **facts, **peer_facts(peer))

    def _leased(self, profile: Profile, lease: Lease) -> dict[str, Any]:
        facts = {**self._profile(profile), **lease_facts(lease)}
        # Of who does not log in, only the token that it was minted with has told.
        return facts | {"subject": facts.get("subject") or lease.subject}

    def _profile(self, profile: Profile) -> dict[str, Any]:
        return {
            "identity": profile.identity.name,
            "profile": profile.name,
            "store": profile.store.name,
            "requested_role": profile.role_arn and profile.role_arn.arn,
            "session_duration_seconds": int(profile.duration.total_seconds()),
            **session_facts(self._session_of(profile.identity)),
        }

    async def _hand_out(self, event: str, facts: dict[str, Any], *, must: bool) -> str:
        """Returns the event's id."""
        if not must:
            return self._append(event, **facts)
        if self._owes:
            # A mint that may be lost with the machine has given what is handed out now.
            await self._settle_owed()
        # What is not handed out must not be told later as if it had been.
        record = AuditRecord(event=event, **facts)
        self._write(record, keep=False)
        if self._is_late:
            # The mint's record has only now been written, along with this one.
            self._is_late, self._owes = False, True
            await self._settle_owed()
        return record.event_id

    async def _append_durably(self, event: str, facts: dict[str, Any], *, keep: bool) -> None:
        try:
            self._write(AuditRecord(event=event, **facts), keep=keep, at_once=True)
        except AuditError:
            self._is_late = self._is_late or keep
            raise
        self._owes = True
        await self._settle_owed()

    async def _settle_owed(self) -> None:
        try:
            await self._settle()
        except AuditError as problem:
            self._failed(problem)
            raise
        self._owes = False

    def _append(self, event: str, **facts: Any) -> str:
        """Returns the event's id, written down or not."""
        record = AuditRecord(event=event, **facts)
        with suppress(AuditError):
            self._write(record, keep=True)
        return record.event_id

    def _write(self, record: AuditRecord, *, keep: bool, at_once: bool = False) -> None:
        try:
            self._ledger.append(record, keep=keep)
        except AuditError as problem:
            self._failed(problem)
            raise
        self._trouble = None
        self._appended(at_once)

    def _failed(self, problem: AuditError) -> None:
        if self._trouble is None:
            log.warning("%s", problem.message)
        self._trouble = problem
