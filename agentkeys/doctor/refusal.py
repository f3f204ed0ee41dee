"""A refusal, and what is at hand to explain it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Protocol

from agentkeys.config import Profile
from agentkeys.doctor.finding import Finding, Outcome, failed
from agentkeys.errors import StsAnswerInvalid, StsBusy, StsError, StsUnreachable
from agentkeys.models import WebIdentityToken

__all__ = ["Attempts", "Known", "Refusal", "as_said"]


class Attempts(Protocol):
    """Asks the store once more with the same token; what it gives is thrown away.

    Each returns None where the store said yes, else its error.
    """

    async def without_role(self) -> StsError | None:
        """Naming no role: what is refused then is the token."""
        ...

    async def without_policy(self) -> StsError | None: ...

    async def for_time(self, duration: timedelta) -> StsError | None: ...


@dataclass(frozen=True, slots=True)
class Known:
    """What the other steps have found out."""

    token: WebIdentityToken
    findings: Mapping[str, Finding]
    """By step, as far as they are done."""

    def is_ok(self, step: str) -> bool:
        found = self.findings.get(step)
        return found is not None and found.outcome in (Outcome.OK, Outcome.WARNING)


@dataclass(frozen=True, slots=True)
class Refusal:
    """One refusal with its surroundings, and the words that explanations share."""

    problem: StsError
    profile: Profile
    known: Known
    attempts: Attempts

    def found(self, code: str, message: str, hint: str, **facts: Any) -> Finding:
        told = {
            "sts_code": self.problem.sts_code,
            "request_id": self.problem.request_id,
            "role_arn": self.profile.role_arn and self.profile.role_arn.arn,
        }
        return failed("role", code, message, hint, **told, **facts)

    @property
    def title(self) -> str:
        """Of the kind of store."""
        return self.profile.store.kind.title

    @property
    def role(self) -> str:
        return self.profile.role_arn.arn if self.profile.role_arn else "a role"

    @property
    def or_no_role(self) -> str:
        is_needed = self.profile.store.kind.needs_role_arn
        return "" if is_needed else "; without role_arn it takes policies from a claim of the token"

    @property
    def audiences(self) -> str:
        return ", ".join(self.known.token.audiences)

    @property
    def has_policy(self) -> bool:
        profile = self.profile
        return bool(profile.allow or profile.policy or profile.policy_arns)

    @property
    def and_tags(self) -> str:
        by_tags = self.profile.store.kind.default_confine.kind == "tags"
        return " and sts:TagSession" if by_tags else ""

    def explain(self) -> str:
        """Where the whole of what is needed can be read."""
        kind, name = self.profile.store.kind.name, self.profile.name
        return f"the whole of it: agentkeys stores explain {kind} --profile {name}"

    def said(self) -> str:
        """The store's own words, where the error has them."""
        _, found, words = self.problem.hint.partition('; the store said "')
        return f'; the store said "{words}' if found else ""


async def as_said(refusal: Refusal) -> Finding:
    """Where the error itself says all."""
    problem = refusal.problem
    return refusal.found(_code_of(problem), problem.message, problem.hint)


def _code_of(problem: StsError) -> str:
    if isinstance(problem, StsUnreachable):
        return "store_unreachable"
    if isinstance(problem, StsAnswerInvalid):
        return "not_an_sts"
    if isinstance(problem, StsBusy):
        return "sts_busy"
    return "sts_refused" if problem.reason in (None, "unknown") else str(problem.reason)
