"""What a run's lease is asked for, whenever it is asked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from agentkeys.access_rules import AccessRule
from agentkeys.config import Config, Profile
from agentkeys.errors import ConfigError, WrongIdentity
from agentkeys.leases import LeaseTerms
from agentkeys.scopes import Scope, narrow, profile_scope
from agentkeys_daemon.profile_leases import ProfileLeases
from agentkeys_daemon.runs.asked import AskedRun
from agentkeys_daemon.runs.run import Run

__all__ = ["RunTerms"]


class RunTerms:
    """Works out terms from the configuration as it is then.

    Raises ConfigError and its leaves, and WrongIdentity where the profile is another user's by now.

    A run stays pinned to whom it began with. Its scope is worked out anew, so that a profile that
    has been tightened meanwhile counts at once.
    """

    def __init__(self, *, config: Callable[[], Config], leases: ProfileLeases) -> None:
        self._config = config
        self._leases = leases
        self._known: dict[str, Profile] = {}

    def of(self, run: Run) -> LeaseTerms:
        profile = self.profile(run)
        scope = _scope(profile, run.allow, reads_only=run.reads_only)
        return self._leases.terms(_pinned(profile, run), scope=scope, run_id=run.lease_run)

    def begin(
        self, profile: Profile, asked: AskedRun, run_id: str, *, inside: Run | None
    ) -> tuple[LeaseTerms, AskedRun]:
        """For a new run, within the one that it is in; also what then was asked for altogether.

        Raises ScopeRefused.
        """
        is_narrowed = bool(asked.allow) or asked.reads_only
        scope = _scope(profile, asked.allow, reads_only=asked.reads_only)
        if inside:
            outer = _scope(profile, inside.allow, reads_only=inside.reads_only)
            scope = narrow(outer, profile, allow=asked.allow, reads_only=asked.reads_only)
            asked = replace(
                asked,
                allow=asked.allow or inside.allow,
                reads_only=asked.reads_only or inside.reads_only,
            )
        is_own = asked.refresh or is_narrowed or profile.own_lease
        lease_run = run_id if is_own else inside.lease_run if inside else None
        pinned = _pinned(profile, inside) if inside else profile
        return self._leases.terms(pinned, scope=scope, run_id=lease_run), asked

    def profile(self, run: Run) -> Profile:
        """As configured now or, while nobody can read the configuration, as it was known last."""
        try:
            config = self._config()
        except ConfigError:
            if known := self._known.get(run.id):
                return known
            raise
        profile = self._known[run.id] = config.profile(run.profile)
        return profile

    def release(self, run: Run) -> None:
        """It has ended."""
        self._known.pop(run.id, None)


def _scope(profile: Profile, allow: tuple[AccessRule, ...], *, reads_only: bool) -> Scope:
    return narrow(profile_scope(profile), profile, allow=allow, reads_only=reads_only)


def _pinned(profile: Profile, run: Run) -> Profile:
    if profile.expect_subject not in (None, run.subject):
        raise WrongIdentity(
            f"the profile {profile.name} is for {profile.expect_subject} by now, but the program"
            f" runs as {run.subject}",
            hint="start the program again",
        )
    return replace(profile, expect_subject=run.subject)
