"""The proof: with the session's credentials one's own prefix is listed, and another's denied."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from agentkeys.config import Profile
from agentkeys.doctor.finding import Finding, Outcome, failed, ok, warning
from agentkeys.doctor.listing import Listing

__all__ = ["examine_isolation"]


def examine_isolation(
    own: Listing,
    foreign: Listing,
    *,
    profile: Profile,
    is_real: bool,
    confinement: Finding,
    finds_bucket: bool | None = None,
) -> Finding:
    """The verdict; `is_real` says that the foreign prefix is a known user's own.

    `finds_bucket` is whether the session may ask where the bucket is, None where nobody has asked.
    """
    facts: dict[str, Any] = {
        "bucket": profile.bucket,
        "own_prefix": own.prefix,
        "own": _verdict(own),
        "foreign_prefix": foreign.prefix,
        "foreign": _verdict(foreign),
        "foreign_is_real": is_real,
        "finds_bucket": finds_bucket,
    }
    for listing in (own, foreign):
        if not (listing.is_allowed or listing.is_denied):
            return _no_verdict(listing, profile, facts)
    if own.is_allowed and foreign.is_denied:
        return ok(
            "isolation",
            f"{own.prefix} can be listed, and {foreign.prefix} is denied",
            **facts,
        )
    if own.is_allowed:
        return failed(
            "isolation",
            "both_allowed",
            f"the session may list {foreign.prefix} too: a broad grant hides the isolation",
            "policies add up: take s3:ListBucket on the whole bucket out of the role's own"
            f" policies, and keep what is confined to the user; {_explain(profile)}",
            **facts,
        )
    if foreign.is_allowed:
        return failed(
            "isolation",
            "foreign_allowed",
            f"the session may list {foreign.prefix}, and not its own {own.prefix}",
            f"the store confines by something else than the prefix {profile.prefix}: correct prefix"
            f" and confine in the profile, or the store's policy; {_explain(profile)}",
            **facts,
        )
    return _both_denied(own, profile, confinement, finds_bucket, facts)


def _both_denied(
    own: Listing,
    profile: Profile,
    confinement: Finding,
    finds_bucket: bool | None,
    facts: Mapping[str, Any],
) -> Finding:
    carries = "tags" if profile.confine.kind == "tags" else "claims"
    grant = (
        f"grant s3:ListBucket on {profile.bucket} where s3:prefix is like {own.prefix}*, by the"
        f" {carries} that the token has"
    )
    if confinement.outcome is Outcome.FAILED:
        why = f"the session carries no {carries} that the policies could read"
        hint = f"see confinement above, then {grant}"
    elif finds_bucket:
        why = "the policies let it find the bucket, and list another place than this, or none"
        hint = f"see that prefix is the one that the policies name; else {grant}"
    else:
        why = "the policies grant nothing there, or there is no such bucket"
        hint = f"see that bucket is right and exists; else {grant}"
    return failed(
        "isolation",
        "both_denied",
        f"the session may not even list its own {own.prefix}: {why}",
        f"{hint}; {_explain(profile)}",
        **facts,
    )


def _no_verdict(listing: Listing, profile: Profile, facts: Mapping[str, Any]) -> Finding:
    """No answer about permissions: another fault is in the way."""
    if listing.status is None:
        return warning(
            "isolation",
            "s3_unreachable",
            f"the S3 does not answer: {listing.problem}",
            "check s3_endpoint, and the network",
            **facts,
        )
    said = listing.code or ""
    if 300 <= listing.status < 400:
        said = "PermanentRedirect"
    for codes, diagnosis, message, hint in _FAULTS:
        if said in codes:
            words = {
                "bucket": profile.bucket,
                "code": said,
                "region": listing.region or "elsewhere",
            }
            return failed(
                "isolation", diagnosis, message.format(**words), hint.format(**words), **facts
            )
    return warning(
        "isolation",
        "no_verdict",
        f"the S3 answered {listing.status} ({said}), which proves nothing",
        "see that s3_endpoint leads to the store's S3",
        **facts,
    )


_FAULTS = (
    (
        ("NoSuchBucket",),
        "no_such_bucket",
        "there is no bucket {bucket}",
        "correct bucket in the profile, or make the bucket",
    ),
    (
        ("AuthorizationHeaderMalformed", "PermanentRedirect", "TemporaryRedirect"),
        "wrong_region",
        "the bucket {bucket} is in another region: {region}",
        "set region in the profile, or s3_endpoint in the store, to where the bucket is",
    ),
    (
        ("ExpiredToken", "InvalidAccessKeyId", "InvalidToken"),
        "session_dead",
        "the S3 does not know the session that the STS has just given ({code})",
        "see that s3_endpoint and sts_endpoint are of the same store, and that its clock is right",
    ),
    (
        ("RequestTimeTooSkewed",),
        "request_time_skewed",
        "the S3 refuses the request for its time",
        "see the clock above",
    ),
    (
        ("SignatureDoesNotMatch",),
        "signature_refused",
        "the S3 refuses the request's signature",
        "see that region is what the store expects, and that no proxy changes the Host header",
    ),
)
"""Codes of an S3, what they are called here, what has happened, and what to do."""


def _verdict(listing: Listing) -> str:
    if listing.is_allowed:
        return "allowed"
    return "denied" if listing.is_denied else listing.code or listing.problem or "no answer"


def _explain(profile: Profile) -> str:
    kind = profile.store.kind.name
    return f"the whole of it: agentkeys stores explain {kind} --profile {profile.name}"
