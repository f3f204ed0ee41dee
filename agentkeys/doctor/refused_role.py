"""What is wrong with what a token is shown for: the role, the time, the policy."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta

from agentkeys.doctor.finding import Finding
from agentkeys.doctor.refusal import Refusal, as_said
from agentkeys.doctor.refused_token import OF_THE_TOKEN

__all__ = ["OF_THE_ROLE", "USUAL", "duration", "policy"]

USUAL = timedelta(hours=1)
"""A role's longest session unless somebody has changed it."""

SHORTER = (USUAL, USUAL / 2)
"""What is tried, beside the shortest that the store gives, where a session is too long."""


async def role_unknown(refusal: Refusal) -> Finding:
    return refusal.found(
        "role_unknown",
        f"{refusal.title} has no role {refusal.role}",
        f"correct role_arn, or make the role{refusal.or_no_role}; {refusal.explain()}",
    )


async def tag_session(refusal: Refusal) -> Finding:
    return refusal.found(
        "tag_session_missing",
        f"the token carries session tags, and {refusal.role} does not allow sts:TagSession",
        "add sts:TagSession to the actions of the role's trust policy, beside"
        f" sts:AssumeRoleWithWebIdentity; {refusal.explain()}",
    )


async def not_trusted(refusal: Refusal) -> Finding:
    """The role says no, or so it seems: some stores ask the role before they read the token."""
    if refusal.profile.role_arn is None:
        return await claim_refused(refusal)
    if refusal.profile.store.kind.tells_without_role:
        answer = await refusal.attempts.without_role()
        if answer and (explain := OF_THE_TOKEN.get(answer.reason or "")):
            return await explain(replace(refusal, problem=answer))
        return _trust_policy(
            refusal, f"{refusal.title} takes the token, and {refusal.role} does not trust it"
        )
    return _trust_policy(
        refusal,
        f"{refusal.title} has no such role as {refusal.role}, or it does not trust the token",
    )


async def duration(refusal: Refusal) -> Finding:
    asked = refusal.profile.duration
    ladder = (*SHORTER, refusal.profile.store.kind.min_duration)
    shorter = [each for each in ladder if each < asked]
    answers = await asyncio.gather(*map(refusal.attempts.for_time, shorter))
    works = [each for each, answer in zip(shorter, answers, strict=True) if answer is None]
    facts = {"asked_seconds": _seconds(asked)}
    if not works:
        problem = refusal.problem
        return refusal.found("duration_refused", problem.message, problem.hint, **facts)
    longest = max(works)
    return refusal.found(
        "duration_too_long",
        f"{_words(asked)} are more than {refusal.role} allows; {_words(longest)} are given",
        f'set duration = "{_minutes(longest)}m", or raise the longest session of the role',
        **facts,
        works_seconds=_seconds(longest),
    )


async def policy(refusal: Refusal) -> Finding:
    if await refusal.attempts.without_policy() is None:
        return refusal.found(
            "policy_refused",
            f"{refusal.title} refuses the profile's session policy, and nothing else",
            "correct allow, policy or policy_arns in the profile; a policy is never widened to"
            f" get an answer{refusal.said()}",
        )
    return await as_said(refusal)


async def claim_refused(refusal: Refusal) -> Finding:
    if refusal.profile.role_arn is None:
        return refusal.found(
            "claim_policy_missing",
            f"without role_arn {refusal.title} takes policies from a claim of the token, and"
            " there is none of use",
            "where its provider has a role policy, set role_arn to its ARN; else have the"
            " issuer put existing policies' names into the claim" + refusal.said(),
        )
    return await as_said(refusal)


def _trust_policy(refusal: Refusal, message: str) -> Finding:
    token = refusal.known.token
    name = token.issuer.removeprefix("https://").removeprefix("http://")
    return refusal.found(
        "trust_policy",
        message,
        f"check its trust policy: the provider {name} as its principal, sts:"
        f"AssumeRoleWithWebIdentity{refusal.and_tags}, and conditions that hold for the audience"
        f" {refusal.audiences} and the subject {token.subject}; {refusal.explain()}",
        aud=list(token.audiences),
        sub=token.subject,
        iss=token.issuer,
    )


def _seconds(span: timedelta) -> int:
    return int(span.total_seconds())


def _minutes(span: timedelta) -> int:
    return span // timedelta(minutes=1)


def _words(span: timedelta) -> str:
    return f"{_minutes(span)} min"


OF_THE_ROLE: dict[str, Callable[[Refusal], Awaitable[Finding]]] = {
    "role_unknown": role_unknown,
    "tag_session": tag_session,
    "not_trusted": not_trusted,
    "duration": duration,
    "policy": policy,
    "claim_refused": claim_refused,
}
"""By what the store means."""
