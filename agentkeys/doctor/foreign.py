"""Whose prefix a user must not see, and for which profiles there is such a one."""

from __future__ import annotations

from collections.abc import Mapping

from agentkeys.claims import OMNI_CLAIM, WALLET_CLAIM
from agentkeys.config import Profile
from agentkeys.prefix import prefix_claims, render_prefix

__all__ = ["foreign_prefix", "why_no_proof"]

_MADE_UP = {WALLET_CLAIM: "0xdeadbeef", OMNI_CLAIM: "deadbeef" * 8}
_NOBODY = "agentkeys-doctor-nobody"


def why_no_proof(profile: Profile) -> str | None:
    """Why nothing can be proven for the profile, None where it can."""
    if profile.bucket is None:
        return f"the profile {profile.name} names no bucket to list"
    if profile.prefix is None:
        return f"the profile {profile.name} names no prefix to list"
    if not prefix_claims(profile.prefix):
        return f"the prefix {profile.prefix} names no user: there is no other one to compare with"
    return None


def foreign_prefix(
    template: str, own: Mapping[str, str], others: Mapping[str, str] | None
) -> tuple[str, bool]:
    """Somebody else's prefix, and whether that is a real user's.

    `own` are the session's claims; `others` those of another identity, where one is known.
    """
    names = prefix_claims(template)
    if others and all(name in others for name in names):
        theirs = render_prefix(template, others)
        if theirs != render_prefix(template, own):
            return theirs, True
    return render_prefix(template, {name: _MADE_UP.get(name, _NOBODY) for name in names}), False
