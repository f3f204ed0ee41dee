"""The dry run: what the store makes of the token, and which of many reasons its refusal has.

Stores say the same of many faults. What is asked besides, with the same token, tells some of them
apart: without a role, without the policy, for a shorter time. What cannot be told apart is said to
be so, with what is known to be in order left out.
"""

from __future__ import annotations

from agentkeys.config import Profile
from agentkeys.doctor.finding import Finding, Outcome, failed, ok
from agentkeys.doctor.refusal import Attempts, Known, Refusal, as_said
from agentkeys.doctor.refused_role import OF_THE_ROLE, USUAL, duration, policy
from agentkeys.doctor.refused_token import OF_THE_TOKEN
from agentkeys.errors import AgentkeysError, StsError
from agentkeys.leases import Lease

__all__ = ["examine_role", "granted"]


def granted(lease: Lease, profile: Profile) -> Finding:
    """The store gave `lease`."""
    role = profile.role_arn.arn if profile.role_arn else "what the token's claims name"
    return ok(
        "role",
        f"the store gave credentials for {role}",
        role_arn=profile.role_arn and profile.role_arn.arn,
        role_session_name=lease.role_session_name,
        request_id=lease.sts_request_id,
    )


async def examine_role(
    problem: AgentkeysError, profile: Profile, known: Known, attempts: Attempts
) -> Finding:
    """Why the store gave no credentials, and what would make it give some."""
    if not isinstance(problem, StsError):
        return failed("role", problem.code, problem.message, problem.hint)
    explain = _EXPLAIN.get(problem.reason or "", as_said)
    return await explain(Refusal(problem, profile, known, attempts))


async def _unsaid(refusal: Refusal) -> Finding:
    """Whatever else is known has to do."""
    keys = refusal.known.findings.get("keys")
    if keys and keys.outcome is Outcome.FAILED:
        return refusal.found(
            keys.code or "keys",
            f"{refusal.title} refuses without a reason, and {keys.message}",
            keys.hint or "",
        )
    clock = refusal.known.findings.get("clock")
    if clock and clock.outcome is Outcome.FAILED:
        return refusal.found(
            clock.code or "clock",
            f"{refusal.title} refuses without a reason, and {clock.message}",
            clock.hint or "",
        )
    if refusal.profile.duration > USUAL and await refusal.attempts.for_time(USUAL) is None:
        return await duration(refusal)
    if refusal.has_policy and await refusal.attempts.without_policy() is None:
        return await policy(refusal)
    token = refusal.known.token
    return refusal.found(
        "refused_unsaid",
        f"{refusal.title} refuses without a reason, and says the same of an unknown provider, a"
        " wrong audience, a missing role and a trust policy",
        f"check there, in this order: a provider {token.issuer} with the client"
        f" {token.audiences[0]}; the role {refusal.role}; its trust policy, with"
        f" sts:AssumeRoleWithWebIdentity{refusal.and_tags}; {refusal.explain()}",
    )


_EXPLAIN = {**OF_THE_TOKEN, **OF_THE_ROLE, "unsaid": _unsaid}
