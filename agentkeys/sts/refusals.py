"""Turns a refusal into the error that says what to do next."""

from __future__ import annotations

from dataclasses import dataclass

from agentkeys.errors import StsBusy, StsError, StsRefused, StsTokenRefused
from agentkeys.quoting import quotable
from agentkeys.stores import StoreKind, spell_algorithms
from agentkeys.sts.cases import Case, case_of
from agentkeys.sts.request import AssumeRoleRequest, spell_range

__all__ = ["Audiences", "Refusal", "refused", "token_parts"]


@dataclass(frozen=True, slots=True)
class Audiences:
    """Who a token is for, and who the store takes tokens for: both belong in the hint."""

    of_token: tuple[str, ...]
    expected: str | None
    """None where the configuration does not say."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """What the store answered."""

    status: int
    code: str
    message: str
    """Its own words as they came: not yet fit to be shown."""
    request_id: str | None
    retry_after: float | None


def refused(
    refusal: Refusal,
    *,
    store: StoreKind,
    request: AssumeRoleRequest | None,
    audiences: Audiences | None = None,
) -> StsError:
    """StsTokenRefused: a new token may help, once. StsBusy: come back later. StsRefused: stop."""
    case = case_of(store, refusal.status, refusal.code, refusal.message)
    kind = _KINDS.get(case, StsRefused)
    role = (request and request.role_arn) or "a role"
    words = f"cannot assume {role} now" if kind is StsBusy else f"refused to assume {role}"
    return kind(
        f"STS {words} ({refusal.code})",
        hint=_hint(case, store, request, audiences) + _said(refusal.message, request),
        sts_code=refusal.code,
        request_id=refusal.request_id,
        reason=case.name.lower(),
        retry_after=refusal.retry_after,
    )


_KINDS: dict[Case, type[StsError]] = {
    Case.TOKEN_EXPIRED: StsTokenRefused,
    Case.TOKEN_INVALID: StsTokenRefused,
    Case.NOT_YET_VALID: StsTokenRefused,
    Case.KEY_UNKNOWN: StsTokenRefused,
    Case.UNSAID: StsTokenRefused,
    Case.KEYS_UNREACHABLE: StsBusy,
    Case.BUSY: StsBusy,
}

_HINTS = {
    Case.TOKEN_EXPIRED: "get a new token; if it stays, compare the clocks of its issuer and"
    " {store}",
    Case.TOKEN_INVALID: "get a new token; if it stays, {store} must know the issuer's present keys,"
    " and they must sign with {algorithms}",
    Case.NOT_YET_VALID: "compare the clocks of the token's issuer and {store}: there the token is"
    " of the future",
    Case.KEY_UNKNOWN: "get a new token; if it stays, {store} must have the issuer's present keys:"
    " check that the token's kid is in its key set, and where {store} fetches that from",
    Case.UNSAID: "{store} gives no reason: check the token's expiry, key and audience, that its"
    " issuer is registered, and that {trust}{audiences}",
    Case.KEYS_UNREACHABLE: "{store} must reach the issuer's keys: check its discovery document and"
    " jwks_uri from there",
    Case.BUSY: "wait a moment and ask again",
    Case.WRONG_AUDIENCE: "the issuer's provider entry at {store} must list the token's"
    " audience{audiences}",
    Case.UNKNOWN_PROVIDER: "register the token's issuer as an OpenID Connect provider in the"
    " account of the role",
    Case.NOT_TRUSTED: "check that {trust}{audiences}",
    Case.TAG_SESSION: "the token carries session tags: the role's trust policy must allow"
    " sts:TagSession beside sts:AssumeRoleWithWebIdentity",
    Case.ROLE_UNKNOWN: "set role_arn to a role that {store} has",
    Case.CLAIM_REFUSED: "a claim of the token names what {store} does not accept: correct it at the"
    " issuer",
    Case.DURATION: "set duration to {range}, and to no more than the role's own maximum",
    Case.POLICY: "correct or shorten the session policy; it is never widened to get an answer",
    Case.REGION_OFF: "use the STS of an enabled region (set region), or have this one enabled for"
    " the account",
    Case.BAD_REQUEST: "check role_arn, duration and the other settings",
    Case.UNKNOWN: "look the code up in the documentation of {store}",
}


def _hint(
    case: Case, store: StoreKind, request: AssumeRoleRequest | None, audiences: Audiences | None
) -> str:
    return _HINTS[case].format(
        store=store.title,
        range=spell_range(store),
        algorithms=spell_algorithms(store),
        trust=_trust(store, request),
        audiences=_both(audiences),
    )


def _trust(store: StoreKind, request: AssumeRoleRequest | None) -> str:
    if request and request.role_arn is None:
        return "the policies that the token's claims name exist"
    # A token that carries tags needs a permission of its own, and its lack looks the same.
    tags = " and sts:TagSession" if store.default_confine.kind == "tags" else ""
    return (
        f"the role exists and its trust policy allows sts:AssumeRoleWithWebIdentity{tags}"
        " for the token's issuer, subject and audience"
    )


def _both(audiences: Audiences | None) -> str:
    if audiences is None:
        return ""
    of_token = ", ".join(f'"{audience}"' for audience in audiences.of_token)
    expected = f', expected is "{audiences.expected}"' if audiences.expected else ""
    return f"; the token is for {of_token}{expected}"


def token_parts(request: AssumeRoleRequest | None) -> list[str]:
    """What must not be repeated; header and payload are recognised without being told."""
    token = request.token.reveal() if request else ""
    return [part for part in token.split(".") if len(part) >= 8]


def _said(message: str, request: AssumeRoleRequest | None) -> str:
    """The store's own words, where they can be shown."""
    line = quotable(message, secrets=token_parts(request))
    return f'; the store said "{line}"' if line else ""
