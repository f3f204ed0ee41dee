"""The proof that a session is kept to its user's own place, and what stands in its way."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from agentkeys.claims import OMNI_CLAIM, WALLET_CLAIM
from agentkeys.config import Store
from agentkeys.doctor.endpoints import s3_endpoint
from agentkeys.doctor.finding import failed, ok, warning
from agentkeys.doctor.foreign import foreign_prefix, why_no_proof
from agentkeys.doctor.isolation import examine_isolation
from agentkeys.doctor.listing import Listing, read_listing
from agentkeys.stores import AWS
from tests.support.doctoring import a_page, no_page, verdict
from tests.support.profiles import STORE, a_profile
from tests.support.sts_samples import sts_sample
from tests.support.tokens import ALICE, BOB

OWN, FOREIGN = f"bots/{ALICE.wallet}/", "bots/0xdeadbeef/"
CONFINED = ok("confinement", "confined")


def allowed(prefix: str) -> Listing:
    return Listing(prefix, 200)


def denied(prefix: str) -> Listing:
    return Listing(prefix, 403, "AccessDenied")


def prove(own: Listing, foreign: Listing, **options: Any) -> Any:
    settings = {"profile": a_profile(), "is_real": False, "confinement": CONFINED, **options}
    return examine_isolation(own, foreign, **settings)


@pytest.mark.parametrize(
    ("own", "foreign", "verdict_"),
    [
        (allowed(OWN), denied(FOREIGN), ("ok", None)),
        (allowed(OWN), allowed(FOREIGN), ("failed", "both_allowed")),
        (denied(OWN), denied(FOREIGN), ("failed", "both_denied")),
        (denied(OWN), allowed(FOREIGN), ("failed", "foreign_allowed")),
    ],
)
def test_one_is_allowed_and_the_other_is_not(
    own: Listing, foreign: Listing, verdict_: tuple[str, str | None]
) -> None:
    """Nothing else is a proof."""
    found = prove(own, foreign)
    assert verdict(found) == verdict_
    assert found.facts["own_prefix"] == OWN
    assert found.facts["foreign"] == ("allowed" if foreign.is_allowed else "denied")


@pytest.mark.parametrize(
    ("confinement", "finds_bucket", "words"),
    [
        (CONFINED, False, "grant nothing there, or there is no such bucket"),
        (CONFINED, True, "find the bucket, and list another place"),
        (warning("confinement", "x", "y", "z"), True, "find the bucket"),
        (failed("confinement", "tags_missing", "y", "z"), False, "carries no claims"),
    ],
)
def test_both_denied_has_several_reasons(confinement: Any, finds_bucket: bool, words: str) -> None:
    found = prove(denied(OWN), denied(FOREIGN), confinement=confinement, finds_bucket=finds_bucket)
    assert words in found.message
    assert OWN in found.hint


@pytest.mark.parametrize(
    ("listing", "verdict_"),
    [
        (Listing(OWN, None, problem="nothing answers"), ("warning", "s3_unreachable")),
        (Listing(OWN, 404, "NoSuchBucket"), ("failed", "no_such_bucket")),
        (Listing(OWN, 301, "PermanentRedirect", "eu-west-1"), ("failed", "wrong_region")),
        (Listing(OWN, 307, "no answer of an S3"), ("failed", "wrong_region")),
        (
            Listing(OWN, 400, "AuthorizationHeaderMalformed", "eu-west-1"),
            ("failed", "wrong_region"),
        ),
        (Listing(OWN, 403, "InvalidAccessKeyId"), ("failed", "session_dead")),
        (Listing(OWN, 403, "ExpiredToken"), ("failed", "session_dead")),
        (Listing(OWN, 403, "RequestTimeTooSkewed"), ("failed", "request_time_skewed")),
        (Listing(OWN, 403, "SignatureDoesNotMatch"), ("failed", "signature_refused")),
        (Listing(OWN, 503, "SlowDown"), ("warning", "no_verdict")),
        (Listing(OWN, 200, "no answer of an S3"), ("warning", "no_verdict")),
        (Listing(OWN, 403, "no answer of an S3"), ("warning", "no_verdict")),
    ],
)
def test_what_says_nothing_of_permissions_is_no_verdict(
    listing: Listing, verdict_: tuple[str, str]
) -> None:
    """Whichever of the two requests it comes for."""
    assert verdict(prove(listing, denied(FOREIGN))) == verdict_
    assert verdict(prove(allowed(OWN), replace(listing, prefix=FOREIGN))) == verdict_


def test_a_bucket_elsewhere_says_where() -> None:
    found = prove(Listing(OWN, 301, "PermanentRedirect", "eu-west-1"), denied(FOREIGN))
    assert "eu-west-1" in found.message


# what an S3 answers

LISTING = b'<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"/>'
WRONG_REGION = b"<Error><Code>AuthorizationHeaderMalformed</Code><Region>eu-west-1</Region></Error>"


@pytest.mark.parametrize(
    ("page", "listing"),
    [
        (a_page(LISTING), Listing(OWN, 200)),
        (a_page(b"<ListBucketResult/>"), Listing(OWN, 200)),
        (a_page(b"<Error><Code>AccessDenied</Code></Error>", status=403), denied(OWN)),
        (
            a_page(sts_sample("seaweedfs.s3.403.expired-session"), status=403),
            Listing(OWN, 403, "InvalidAccessKeyId"),
        ),
        (
            a_page(WRONG_REGION, status=400),
            Listing(OWN, 400, "AuthorizationHeaderMalformed", "eu-west-1"),
        ),
        (a_page(b"<html>", status=403), Listing(OWN, 403, "no answer of an S3")),
        (a_page(b"<html/>"), Listing(OWN, 200, "no answer of an S3")),
        (a_page(b"", status=200), Listing(OWN, 200, "no answer of an S3")),
        (
            a_page(b"<Error><Code>\xc2\x9b2J</Code></Error>", status=403),
            Listing(OWN, 403, "no answer of an S3"),
        ),
        (no_page(), Listing(OWN, None, problem="nothing answers at x.example.com")),
    ],
)
def test_an_answer_is_read_for_what_it_is(page: Any, listing: Listing) -> None:
    """A page of a proxy is no listing, whatever its status."""
    assert read_listing(OWN, page) == listing


# whose prefix is somebody else's


@pytest.mark.parametrize(
    ("template", "prefix"),
    [
        ("bots/{wallet}/", "bots/0xdeadbeef/"),
        ("o/{omni}/", f"o/{'deadbeef' * 8}/"),
        ("{sub}/", "agentkeys-doctor-nobody/"),
        ("{claim:team}/{wallet}/", "agentkeys-doctor-nobody/0xdeadbeef/"),
    ],
)
def test_nobodys_prefix_is_made_up(template: str, prefix: str) -> None:
    """In the form that the store's claims have."""
    assert foreign_prefix(template, {}, None) == (prefix, False)


def test_a_second_identitys_own_prefix_is_the_better_proof() -> None:
    """Unless it is the same user, or not all of it is known."""
    own = {WALLET_CLAIM: ALICE.wallet, OMNI_CLAIM: ALICE.omni}
    bob = {WALLET_CLAIM: BOB.wallet}
    assert foreign_prefix("bots/{wallet}/", own, bob) == (f"bots/{BOB.wallet}/", True)
    assert foreign_prefix("bots/{wallet}/", own, own) == (FOREIGN, False)
    assert foreign_prefix("{omni}/{wallet}/", own, bob)[1] is False


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"bucket": None}, "names no bucket"),
        ({"prefix": None}, "names no prefix"),
        ({"prefix": "all/"}, "names no user"),
    ],
)
def test_there_may_be_nothing_to_prove(changes: dict[str, Any], words: str) -> None:
    assert words in (why_no_proof(a_profile(**changes)) or "")
    assert why_no_proof(a_profile()) is None


# where the S3 is

PLAIN = Store("aws", AWS, None, None, None)


@pytest.mark.parametrize(
    ("store", "region", "url"),
    [
        (STORE, "us-east-1", "http://127.0.0.1:18334"),
        (replace(STORE, s3_endpoint=None), "us-east-1", "http://127.0.0.1:18333"),
        (PLAIN, "eu-west-1", "https://s3.eu-west-1.amazonaws.com"),
        (PLAIN, "cn-north-1", "https://s3.cn-north-1.amazonaws.com.cn"),
        (replace(PLAIN, fips=True), "us-east-1", "https://s3-fips.us-east-1.amazonaws.com"),
        (
            replace(PLAIN, fips=True, dual_stack=True),
            "us-gov-west-1",
            "https://s3-fips.dualstack.us-gov-west-1.amazonaws.com",
        ),
    ],
)
def test_the_s3_is_found_beside_the_sts(store: Store, region: str, url: str) -> None:
    assert s3_endpoint(store, region) == url
