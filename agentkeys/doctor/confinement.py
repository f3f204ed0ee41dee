"""Whether what the token says keeps its user to their own place in this store."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from agentkeys.claims import AWS_TAGS_CLAIM
from agentkeys.config import Profile
from agentkeys.confinement import check_confined
from agentkeys.doctor.finding import Finding, Outcome, failed, ok, warning
from agentkeys.errors import ConfigError, TokenUnconfined
from agentkeys.explain import setting_of
from agentkeys.explain.policies import own_prefix
from agentkeys.leases.minting import plain_claims
from agentkeys.models import WebIdentityToken
from agentkeys.prefix import prefix_claims, render_prefix

__all__ = ["examine_confinement"]


def examine_confinement(token: WebIdentityToken, profile: Profile) -> Finding:
    """Tags or claims by what the profile relies on, and whether its store reads them."""
    confine = profile.confine
    facts: dict[str, Any] = {"confine": str(confine), "prefix": profile.prefix}
    found = list(_problems(token, profile, facts))
    if found:
        # The first of those that keep nobody confined, else the first that may.
        return next((each for each in found if each.outcome is Outcome.FAILED), found[0])
    own = profile.prefix and render_prefix(profile.prefix, plain_claims(token.claims))
    words = {
        "tags": "the token carries the session tags that confine its user",
        "claim": f"the token's {confine.claim} confines its user",
        "role": "the role itself belongs to its user: the token confines nobody",
    }[confine.kind]
    return ok("confinement", f"{words}, to {own}" if own else words, **facts, own_prefix=own)


def _problems(
    token: WebIdentityToken, profile: Profile, facts: Mapping[str, Any]
) -> Iterator[Finding]:
    try:
        check_confined(token, profile.confine)
    except TokenUnconfined as problem:
        code = _code(token, profile)
        yield failed("confinement", code, problem.message, problem.hint, **facts)
    try:
        _check_read(profile)
    except ConfigError as problem:
        yield warning("confinement", "confine_ignored", problem.message, problem.hint, **facts)
    yield from _prefix_problems(token, profile, facts)


def _check_read(profile: Profile) -> None:
    """Whether the store's policies can read what confines; else nobody is. Raises ConfigError."""
    kind, claim = profile.store.kind, profile.confine.claim
    if claim and kind.policy_claims is not None and claim not in kind.policy_claims:
        raise ConfigError(
            f"policies of {kind.title} cannot read the claim {claim},"
            f" by which the profile {profile.name} is confined",
            hint=f'set confine = "{kind.default_confine}" in the profile',
        )
    own_prefix(kind, replace(setting_of(profile, kind), prefix=_prefix(profile) or ""))


def _prefix(profile: Profile) -> str | None:
    """None also where it is in no bucket: it may be the usual one, which nobody has written."""
    return profile.prefix if profile.bucket else None


def _code(token: WebIdentityToken, profile: Profile) -> str:
    confine, claims = profile.confine, token.claims
    if confine.kind == "tags":
        return "tag_malformed" if AWS_TAGS_CLAIM in claims else "tags_missing"
    return "claim_malformed" if claims.get(confine.claim or "") is not None else "claim_missing"


def _prefix_problems(
    token: WebIdentityToken, profile: Profile, facts: Mapping[str, Any]
) -> Iterator[Finding]:
    if not profile.prefix:
        return
    names = prefix_claims(profile.prefix)
    try:
        render_prefix(profile.prefix, plain_claims(token.claims))
    except TokenUnconfined as problem:
        yield failed("confinement", "prefix_claim_missing", problem.message, problem.hint, **facts)
    confine = profile.confine
    if confine.kind == "tags" and _has_tags(token):
        yield from _untagged(token, names, facts)
    elif _prefix(profile) and confine.kind == "claim" and names and confine.claim not in names:
        yield warning(
            "confinement",
            "confine_beside_prefix",
            f"the prefix {profile.prefix} is filled in from {', '.join(names)}, while the profile"
            f" is confined by {confine.claim}",
            "set confine to the claim that the store's policies read",
            **facts,
        )


def _has_tags(token: WebIdentityToken) -> bool:
    tags = token.claims.get(AWS_TAGS_CLAIM)
    return isinstance(tags, Mapping) and isinstance(tags.get("principal_tags"), Mapping)


def _untagged(
    token: WebIdentityToken, names: tuple[str, ...], facts: Mapping[str, Any]
) -> Iterator[Finding]:
    tags = token.claims[AWS_TAGS_CLAIM]["principal_tags"]
    for name in names:
        value = token.claims.get(name)
        if name not in tags:
            yield failed(
                "confinement",
                "tag_missing",
                f"the token has no session tag {name}, from which the prefix is filled in",
                "have the issuer add it to the token's principal_tags",
                **facts,
            )
        elif tags[name] != [value]:
            yield failed(
                "confinement",
                "tag_mismatch",
                f"the token's session tag and its claim disagree about {name}",
                "ask whoever runs the issuer: both must say the same",
                **facts,
            )
