"""How much of what its role allows a session may use: what a profile says, and what a run adds."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from agentkeys.access_rules import AccessRule, in_both, is_within, read_only
from agentkeys.config import Profile
from agentkeys.errors import ScopeRefused
from agentkeys.models import RoleArn
from agentkeys.prefix import render_prefix
from agentkeys.session_policy import compile_session_policy

__all__ = ["WHOLE", "Scope", "narrow", "policy_hash", "profile_scope", "tighten"]


@dataclass(frozen=True, slots=True)
class Scope:
    """What becomes of a role's permissions; without any field, all of them stay."""

    rules: tuple[AccessRule, ...] = ()
    """Nothing but this is allowed, unless there are none."""
    reading: tuple[str, str] | None = None
    """A bucket and a prefix, with its placeholders, below which reading alone is allowed."""
    policy: str | None = None
    """A session policy as somebody has written it."""
    policy_arns: tuple[str, ...] = ()

    @property
    def is_whole(self) -> bool:
        """Whether it takes nothing away."""
        return self == WHOLE

    def spell(self) -> str | None:
        """The same text for the same scope; None for a whole one."""
        if self.is_whole:
            return None
        rules = sorted(map(str, self.rules))
        return json.dumps([rules, self.reading, self.policy, self.policy_arns])

    def resolve(self, claims: Mapping[str, str]) -> Scope:
        """The scope with its placeholders filled in; raises TokenUnconfined."""
        if self.reading is None:
            return self
        bucket, prefix = self.reading
        rule = AccessRule(bucket, render_prefix(prefix, claims), "ro")
        return replace(self, rules=(rule,), reading=None)

    def session_policy(self, claims: Mapping[str, str], role: RoleArn | None) -> str | None:
        """The inline policy to ask for, None where there is none.

        Raises ConfigError where it does not fit, TokenUnconfined where a placeholder stays empty.
        """
        rules = self.resolve(claims).rules
        if not rules:
            return self.policy
        return compile_session_policy(rules, partition=role.partition if role else "aws")


WHOLE = Scope()
"""All that the role allows."""


def profile_scope(profile: Profile) -> Scope:
    """What the profile's own `allow`, `policy` and `policy_arns` leave."""
    return Scope(rules=profile.allow, policy=profile.policy, policy_arns=profile.policy_arns)


def narrow(
    scope: Scope, profile: Profile, *, allow: Sequence[AccessRule], reads_only: bool
) -> Scope:
    """What is left of `scope` for a run that allows no more than `allow`, or reading alone.

    Raises ScopeRefused where that is not a part of it, or nobody can tell.
    """
    if not allow and not reads_only:
        return scope
    if scope.policy is not None or scope.policy_arns:
        raise ScopeRefused(
            f"the profile {profile.name} has a policy of its own, which no rule can narrow",
            hint="use a profile without policy and policy_arns",
        )
    if scope.reading is not None:
        if allow:
            raise ScopeRefused(
                f"it is not known whether {allow[0]} lies in what may be read",
                hint="leave out the rule",
            )
        return scope
    for rule in allow:
        if scope.rules and not is_within(rule, scope.rules):
            raise ScopeRefused(
                f"{rule} lies outside of what the profile {profile.name} allows",
                hint=f"stay within {', '.join(map(str, scope.rules))}",
            )
    rules = tuple(allow) or scope.rules
    if rules:
        return Scope(rules=tuple(map(read_only, rules)) if reads_only else rules)
    return Scope(reading=_place(profile))


def tighten(started: Scope, now: Scope) -> Scope:
    """What is left of a scope that something was started with, now that its profile says `now`.

    Never more than either. Raises ScopeRefused where that is nothing, or nobody can tell.
    """
    if started == now or now.is_whole:
        return started
    if started.is_whole:
        return now
    rules = in_both(started.rules, now.rules)
    if not rules:
        raise ScopeRefused(
            "the profile allows something else than when the program was started",
            hint="start the program again",
        )
    return Scope(rules=rules)


def _place(profile: Profile) -> tuple[str, str]:
    if profile.bucket is None or profile.prefix is None:
        raise ScopeRefused(
            f"the profile {profile.name} names no bucket to read from",
            hint="set bucket in the profile, or say what may be read with --allow",
        )
    prefix = profile.prefix if profile.prefix.endswith("/") else f"{profile.prefix}/"
    return profile.bucket, prefix


def policy_hash(policy: str | None) -> str | None:
    """Lower-case hex SHA-256 of a session policy, as the ledger has it."""
    return None if policy is None else hashlib.sha256(policy.encode()).hexdigest()
