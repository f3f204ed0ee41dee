"""The proof: with the session's credentials one's own prefix is listed, and another's denied."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from agentkeys.claims import OMNI_CLAIM, WALLET_CLAIM
from agentkeys.config import Profile
from agentkeys.doctor.finding import Finding, Outcome, failed, ok, warning
from agentkeys.doctor.probes import Page
from agentkeys.prefix import prefix_claims, render_prefix
from agentkeys.quoting import quotable
from agentkeys.sts.document import MalformedDocument, only_child, parse_document, text_of

__all__ = ["Listing", "examine_isolation", "foreign_prefix", "read_listing", "why_no_proof"]

_MADE_UP = {WALLET_CLAIM: "0xdeadbeef", OMNI_CLAIM: "deadbeef" * 8}
_NOBODY = "agentkeys-doctor-nobody"


@dataclass(frozen=True, slots=True)
class Listing:
    """What the S3 said to a listing of one prefix."""

    prefix: str
    status: int | None
    """None without any answer."""
    code: str | None = None
    """Of its error."""
    region: str | None = None
    """Where the bucket is, if it says so."""
    problem: str | None = None
    """Why there was no answer."""

    @property
    def is_allowed(self) -> bool:
        return self.status == 200 and self.code is None

    @property
    def is_denied(self) -> bool:
        return self.status == 403 and self.code == "AccessDenied"


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


def read_listing(prefix: str, page: Page) -> Listing:
    """What came for a ListObjectsV2 of `prefix`."""
    answer = page.answer
    if answer is None:
        return Listing(prefix, None, problem=page.problem.message if page.problem else "no answer")
    region = quotable(answer.headers.get("x-amz-bucket-region")) or None
    try:
        root = parse_document(answer.body)
        name = root.tag.rpartition("}")[2]
        if name == "ListBucketResult":
            return Listing(prefix, answer.status)
        error = root if name == "Error" else only_child(root, "Error")
        code = _text(error, "Code")
        region = region or _text(error, "Region")
    except MalformedDocument:
        code = None
    return Listing(prefix, answer.status, code or "no answer of an S3", region)


def _text(element: ET.Element | None, name: str) -> str | None:
    found = None if element is None else text_of(element, name, limit=128)
    return found if found and found.isascii() and found.isprintable() else None


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
