"""Break-glass: credentials that somebody takes on purpose, with the ledger's line written first.

They are minted for one run and kept nowhere. Whoever could not be told of in the ledger gets none.
"""

from __future__ import annotations

from datetime import timedelta

from agentkeys.config import BREAK_GLASS_DURATION, Profile
from agentkeys.errors import AgentkeysError, BreakGlassRefused
from agentkeys.leases import Lease, LeaseTerms
from agentkeys_daemon.ledger.records import Recorder
from agentkeys_daemon.peers import Peer
from agentkeys_daemon.profile_leases import ProfileLeases
from agentkeys_daemon.runs.run import Run

__all__ = ["BreakGlass"]

TOLERANCE = timedelta(seconds=60)
"""By which a store may give more: its clock is known to the second, and it may round up."""


class BreakGlass:
    """Mints for whoever has a reason and a terminal; raises AgentkeysError and its leaves."""

    def __init__(self, *, leases: ProfileLeases, records: Recorder) -> None:
        self._leases = leases
        self._records = records

    def check(self, profile: Profile, peer: Peer, inside: Run | None) -> None:
        """Raises BreakGlassRefused for who has no business with it."""
        if inside:
            raise BreakGlassRefused(
                f"a program inside run {inside.id} cannot break the glass",
                hint="do it from outside, where no agentkeys exec is above it",
            )
        if not profile.is_break_glass:
            raise BreakGlassRefused(
                f"the profile {profile.name} is not for break-glass",
                hint="leave out --break-glass, or set break_glass = true in the profile",
            )
        if not peer.has_terminal():
            raise BreakGlassRefused(
                "break-glass takes a person at a terminal, and the asking program has none",
                hint="run it from an interactive shell, without setsid, cron or a service",
            )

    async def mint(self, terms: LeaseTerms, peer: Peer, *, reason: str, run_id: str) -> Lease:
        """The lease of run `run_id`. The ledger's lines are on the disk before and after.

        Raises AuditError without having asked for anything where the first cannot be written, and
        where the second cannot, although there are credentials then that nobody gets.
        """
        profile = terms.profile
        subject = await self._leases.subject(profile)
        await self._records.break_glass(profile, peer, reason=reason, run_id=run_id)
        try:
            lease = await self._leases.mint_once(terms, subject)
        except AgentkeysError as problem:
            self._records.mint_failed(profile, problem, run_id=run_id)
            raise
        await self._records.minted(profile, lease, run_id=run_id, must=True)
        _check_short(lease, profile)
        return lease


def _check_short(lease: Lease, profile: Profile) -> None:
    if lease.lifetime > BREAK_GLASS_DURATION + TOLERANCE:
        raise BreakGlassRefused(
            f"{profile.store.name} gave credentials for {_minutes(lease.lifetime)},"
            f" more than the {_minutes(BREAK_GLASS_DURATION)} of break-glass",
            hint="have the store keep to DurationSeconds; nothing was handed out, and what it gave"
            " ends by itself",
        )


def _minutes(span: timedelta) -> str:
    """Such as `15 minutes`."""
    return f"{round(span.total_seconds() / 60)} minutes"
