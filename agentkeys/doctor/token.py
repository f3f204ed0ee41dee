"""A freshly minted token, held against what this store and this profile need of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from agentkeys.claims import AWS_TAGS_CLAIM, OMNI_CLAIM, WALLET_CLAIM
from agentkeys.clock import format_utc
from agentkeys.config import Profile
from agentkeys.doctor.finding import Finding, Outcome, failed, from_error, ok, warning
from agentkeys.errors import TokenInvalid, WrongIdentity
from agentkeys.leases.minting import check_expected
from agentkeys.models import WebIdentityToken
from agentkeys.quoting import quotable
from agentkeys.stores import check_token_form

__all__ = ["examine_token", "token_facts"]

SHORTEST = timedelta(seconds=60)
"""Less than this may be over before the store sees it."""


def examine_token(token: WebIdentityToken, profile: Profile) -> Finding:
    """What is worst about it; whether it confines its user is another step."""
    facts = token_facts(token)
    found = list(_problems(token, profile, facts))
    if found:
        return next((each for each in found if each.outcome is Outcome.FAILED), found[0])
    lifetime = _lifetime(token)
    if lifetime is not None and lifetime < SHORTEST:
        return warning(
            "token",
            "token_short",
            f"tokens live for {int(lifetime.total_seconds())} s only",
            "have the issuer make them for some minutes, so that slow networks and clocks that are"
            " seconds off do no harm",
            **facts,
        )
    names = f"{token.algorithm}, for {', '.join(token.audiences)}"
    return ok("token", f"the token is what {profile.store.kind.title} needs: {names}", **facts)


def token_facts(token: WebIdentityToken) -> dict[str, Any]:
    """What of it may be shown; never the token."""
    claims, lifetime = token.claims, _lifetime(token)
    tags = claims.get(AWS_TAGS_CLAIM)
    principal = tags.get("principal_tags") if isinstance(tags, Mapping) else None
    bare = {name: quotable(claims.get(name)) for name in (WALLET_CLAIM, OMNI_CLAIM)}
    return {
        "alg": token.algorithm,
        "kid": quotable(token.key_id) or None,
        "iss": token.issuer,
        "sub": token.subject,
        "aud": list(token.audiences),
        "exp": format_utc(token.expires_at),
        "lifetime_seconds": lifetime and int(lifetime.total_seconds()),
        "tags": sorted(map(quotable, principal)) if isinstance(principal, Mapping) else None,
        "claims": {name: value for name, value in bare.items() if value},
    }


def _problems(
    token: WebIdentityToken, profile: Profile, facts: Mapping[str, Any]
) -> Iterator[Finding]:
    store, audience = profile.store.kind, profile.identity.audience
    if audience not in (None, *token.audiences):
        yield failed(
            "token",
            "wrong_audience",
            f"the token is for {', '.join(token.audiences)}, not for {audience}",
            f"have the issuer make it for {audience} or, if {store.title} takes the one that it"
            " has, set the identity's audience to that",
            **facts,
        )
    yield from _header_problems(token, profile, facts)
    try:
        check_expected(profile, token.subject, token.claims.get(WALLET_CLAIM))
    except WrongIdentity as problem:
        yield from_error("token", problem, **facts)
    yield from _audience_problems(token, profile, facts)


def _header_problems(
    token: WebIdentityToken, profile: Profile, facts: Mapping[str, Any]
) -> Iterator[Finding]:
    store = profile.store.kind
    try:
        check_token_form(store, algorithm=token.algorithm, key_id=token.key_id)
    except TokenInvalid as problem:
        code = "kid_missing" if token.algorithm in store.algorithms else "algorithm_refused"
        yield failed("token", code, problem.message, problem.hint, **facts)


def _audience_problems(
    token: WebIdentityToken, profile: Profile, facts: Mapping[str, Any]
) -> Iterator[Finding]:
    """Where a token is for several, stores look at different ones."""
    store, expected = profile.store.kind, profile.identity.audience
    if len(token.audiences) < 2:
        return
    if store.reads_audiences == "first" and expected not in (None, token.audiences[0]):
        yield failed(
            "token",
            "audience_not_first",
            f"the token is for {', '.join(token.audiences)}, and {store.title} looks at the first"
            " alone",
            f"have the issuer put {expected} first, or make the token for it alone",
            **facts,
        )
    if store.reads_audiences == "one":
        yield warning(
            "token",
            "audience_list",
            f"the token is for several ({', '.join(token.audiences)}), which no condition on"
            f" oidc:aud of {store.title} ever meets",
            "leave the condition on oidc:aud out of the role's trust policy: the provider's own"
            " list of clients checks it",
            **facts,
        )


def _lifetime(token: WebIdentityToken) -> timedelta | None:
    issued_at = token.claims.get("iat")
    if isinstance(issued_at, bool) or not isinstance(issued_at, int | float):
        return None
    try:
        return token.expires_at - datetime.fromtimestamp(issued_at, token.expires_at.tzinfo)
    except (OverflowError, OSError, ValueError):
        return None
