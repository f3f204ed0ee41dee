"""What a run's lease is asked for, whenever it is asked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from agentkeys.config import Config, Profile
from agentkeys.errors import BreakGlassRequired, ConfigError, WrongIdentity
from agentkeys.leases import LeaseTerms
from agentkeys.models import TokenUser
from agentkeys.scopes import Scope, narrow, profile_scope, tighten
from agentkeys_daemon.profile_leases import ProfileLeases
from agentkeys_daemon.runs.asked import AskedRun
from agentkeys_daemon.runs.run import Run

__all__ = ["RunTerms"]


class RunTerms:
    """Works out terms from the configuration as it is then.

    Raises ConfigError and its leaves, and WrongIdentity where the profile is another user's by now.
    BreakGlassRequired is one of these leaves: a run that broke the glass gets nothing more,
    whatever its profile has become.

    A run stays pinned to whom it began with, and never gets more than it began with. A profile that
    has been tightened meanwhile counts at once.
    """

    def __init__(self, *, config: Callable[[], Config], leases: ProfileLeases) -> None:
        self._config = config
        self._leases = leases
        self._known: dict[str, Profile] = {}

    def of(self, run: Run, profile: Profile | None = None) -> LeaseTerms:
        """`profile` is the run's own, for a caller that has just looked."""
        _check_whole(run)
        if profile is None:
            profile = self.profile(run)
        scope = tighten(run.scope, profile_scope(profile))
        return self._terms(profile, scope, run.lease_run, run.user)

    def begin(
        self, profile: Profile, asked: AskedRun, run_id: str, *, inside: Run | None
    ) -> tuple[LeaseTerms, AskedRun]:
        """For a new run, within the one that it is in; also what then was asked for altogether.

        Raises ScopeRefused.
        """
        is_narrowed = bool(asked.allow) or asked.reads_only
        outer = self.of(inside).scope if inside else profile_scope(profile)
        scope = narrow(outer, profile, allow=asked.allow, reads_only=asked.reads_only)
        if inside:
            asked = replace(
                asked,
                allow=asked.allow or inside.allow,
                reads_only=asked.reads_only or inside.reads_only,
            )
        is_own = asked.has_token or is_narrowed or profile.own_lease or asked.reason is not None
        lease_run = run_id if is_own else inside.lease_run if inside else None
        user = inside.user if inside else None
        return self._terms(profile, scope, lease_run, user), asked

    def profile(self, run: Run) -> Profile:
        """As configured now or, while nobody can read the configuration, as it was known last."""
        try:
            config = self._config()
        except ConfigError:
            if known := self._known.get(run.id):
                return known
            raise
        profile = config.profile(run.profile)
        self.remember(run, profile)
        return profile

    def remember(self, run: Run, profile: Profile) -> None:
        """Keeps what is known, for when nobody can read the configuration."""
        self._known[run.id] = profile

    def _terms(
        self, profile: Profile, scope: Scope, lease_run: str | None, user: TokenUser | None
    ) -> LeaseTerms:
        """For `user` alone, unless a new run begins with whoever is logged in."""
        if user and profile.expect_subject not in (None, user.subject):
            raise WrongIdentity(
                f"the profile {profile.name} is for {profile.expect_subject} by now, but the"
                f" program runs as {user.subject}",
                hint="start the program again",
            )
        if user and lease_run:
            # What this run is refused is no reason to refuse it to another user's.
            profile = replace(profile, expect_subject=user.subject)
        return self._leases.terms(profile, scope=scope, run_id=lease_run, user=user)

    def release(self, run: Run) -> None:
        """It has ended."""
        self._known.pop(run.id, None)


def _check_whole(run: Run) -> None:
    if run.is_break_glass:
        raise BreakGlassRequired(
            f"run {run.id} has broken the glass: it gets nothing beyond what it began with",
            hint="start the program again, outside of it",
        )
