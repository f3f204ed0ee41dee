"""What a refusal means at each store, and what it tells the user."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentkeys.errors import StsBusy, StsError, StsRefused, StsTokenRefused
from agentkeys.models import RoleArn
from agentkeys.secret import Secret
from agentkeys.stores import AWS, CEPH, MINIO, SEAWEEDFS, STORE_KINDS, StoreKind
from agentkeys.sts.answer import parse_answer
from agentkeys.sts.refusals import Audiences
from agentkeys.sts.request import AssumeRoleRequest
from tests.fakes.sts import refusal_body
from tests.support.moved_clock import SAMPLE_NOW
from tests.support.sts_samples import STS_SAMPLES, sts_sample

ROLE = "arn:aws:iam::111122223333:role/data"
JWT = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJzb21lYm9keSJ9.c2lnbmF0dXJlLXNpZ25hdHVyZQ"
REQUEST = AssumeRoleRequest(
    role_arn=RoleArn.parse(ROLE), role_session_name="agentkeys-run", token=Secret(JWT)
)
NO_ROLE = AssumeRoleRequest(role_arn=None, role_session_name="agentkeys-run", token=Secret(JWT))


def refusal(
    body: bytes,
    *,
    store: StoreKind = AWS,
    status: int = 400,
    headers: Mapping[str, str] | None = None,
    request: AssumeRoleRequest = REQUEST,
    audiences: Audiences | None = None,
) -> StsError:
    with pytest.raises(StsError) as refused:
        parse_answer(
            status,
            headers or {},
            body,
            store=store,
            request=request,
            now=SAMPLE_NOW,
            audiences=audiences,
        )
    return refused.value


def refused_with(
    code: str, message: str = "", *, store: StoreKind = AWS, **options: Any
) -> StsError:
    return refusal(refusal_body(store.name, code, message), store=store, **options)


SAMPLED: dict[str, type[StsError]] = {
    "aws.400.ExpiredTokenException": StsTokenRefused,
    "aws.400.InvalidIdentityToken": StsBusy,
    "aws.400.Throttling": StsBusy,
    "aws.400.ValidationError": StsRefused,
    "aws.403.AccessDenied": StsRefused,
    "ceph.400.duration": StsRefused,
    "ceph.403.any-refusal": StsTokenRefused,
    "minio.400.expired": StsTokenRefused,
    "seaweedfs.400.bad-signature": StsTokenRefused,
    "seaweedfs.400.expired": StsTokenRefused,
    "seaweedfs.400.malformed-policy": StsRefused,
    "seaweedfs.403.get": StsRefused,
    "seaweedfs.403.wrong-aud": StsRefused,
}


@pytest.mark.parametrize(("name", "kind"), SAMPLED.items())
def test_a_captured_refusal_means_what_its_store_means(name: str, kind: type[StsError]) -> None:
    """A new token once, a pause, or the end: each sample is one of them."""
    store, status, _ = name.split(".")
    error = refusal(sts_sample(name), store=STORE_KINDS[store], status=int(status))
    assert type(error) is kind


def test_no_sample_of_a_refusal_is_left_out() -> None:
    """Those of status 200 are successes, that of S3 never comes from an STS."""
    refusals = {path.stem for path in STS_SAMPLES.glob("*.40?.*.xml")}
    assert refusals - {"seaweedfs.s3.403.expired-session"} == set(SAMPLED)


@pytest.mark.parametrize(
    ("store", "code", "message", "kind"),
    [
        (AWS, "InvalidIdentityToken", "The ID Token's signature is invalid", StsTokenRefused),
        (AWS, "InvalidIdentityToken", "Incorrect token audience", StsRefused),
        (
            AWS,
            "InvalidIdentityToken",
            "No OpenIDConnect provider found in your account",
            StsRefused,
        ),
        (AWS, "IDPCommunicationError", "could not be reached", StsBusy),
        (AWS, "IDPRejectedClaim", "", StsRefused),
        (AWS, "MalformedPolicyDocument", "", StsRefused),
        (AWS, "PackedPolicyTooLarge", "", StsRefused),
        (AWS, "RegionDisabledException", "", StsRefused),
        (AWS, "MissingParameter", "", StsRefused),
        (AWS, "ValidationError", "1 validation error detected", StsRefused),
        (AWS, "SomethingNew", "", StsRefused),
        (
            SEAWEEDFS,
            "AccessDenied",
            "failed to validate web identity token: no kid",
            StsTokenRefused,
        ),
        (SEAWEEDFS, "AccessDenied", "get public key: failed to fetch JWKS: status 500", StsBusy),
        (SEAWEEDFS, "AccessDenied", "role not found: data", StsRefused),
        (SEAWEEDFS, "InvalidParameterValue", "DurationSeconds must be between", StsRefused),
        (SEAWEEDFS, "InvalidParameterValue", "RoleSessionName contains", StsRefused),
        (SEAWEEDFS, "InvalidParameterValue", "unsupported signing method: HS256", StsTokenRefused),
        (SEAWEEDFS, "InvalidAction", "unsupported action", StsRefused),
        (CEPH, "MalformedPolicyDocument", "", StsRefused),
        (MINIO, "ExpiredToken", "", StsTokenRefused),
        (MINIO, "InvalidParameterValue", "crypto/rsa: verification error", StsTokenRefused),
        (MINIO, "InvalidParameterValue", "`aud` must match OpenID Client ID", StsRefused),
        (MINIO, "InvalidParameterValue", "Invalid token expiry", StsRefused),
        (MINIO, "InvalidParameterValue", "Invalid session policy", StsRefused),
        (MINIO, "InvalidParameterValue", "policy claim missing from the JWT", StsRefused),
        (MINIO, "InvalidParameterValue", "dial tcp: connection refused", StsBusy),
        (MINIO, "AccessDenied", "", StsRefused),
        (MINIO, "MissingParameter", "", StsRefused),
    ],
)
def test_the_code_means_what_it_means_at_that_store(
    store: StoreKind, code: str, message: str, kind: type[StsError]
) -> None:
    """The same code is a bad token at one store and a bad duration at another."""
    assert type(refused_with(code, message, store=store)) is kind


@pytest.mark.parametrize("store", STORE_KINDS.values())
@pytest.mark.parametrize("status", [429, 500, 503])
def test_an_unknown_code_is_worth_another_try_only_when_the_store_is_at_fault(
    store: StoreKind, status: int
) -> None:
    """429 and 5xx come back later, 4xx stops."""
    assert type(refused_with("NeverHeardOf", store=store, status=status)) is StsBusy
    assert type(refused_with("NeverHeardOf", store=store, status=418)) is StsRefused


def test_the_message_names_role_and_code() -> None:
    """One line tells what was refused and why, and programs get the code and the request."""
    error = refusal(sts_sample("aws.403.AccessDenied"), status=403)
    assert error.message == f"STS refused to assume {ROLE} (AccessDenied)"
    assert error.sts_code == "AccessDenied"
    assert error.request_id == "00000000-1111-2222-3333-444444444444"


def test_a_busy_store_has_refused_nothing() -> None:
    """The words do not blame the role."""
    error = refusal(sts_sample("aws.400.Throttling"))
    assert error.message == f"STS cannot assume {ROLE} now (Throttling)"
    assert error.retryable


def test_where_no_role_was_asked_for_none_is_named() -> None:
    """MinIO chooses policies by a claim."""
    error = refused_with("AccessDenied", store=MINIO, status=403, request=NO_ROLE)
    assert error.message == "STS refused to assume a role (AccessDenied)"
    assert "claims name" in error.hint


@pytest.mark.parametrize(
    ("store", "code", "message", "hint"),
    [
        (AWS, "AccessDenied", "", "sts:TagSession"),
        (CEPH, "AccessDenied", "", "sts:TagSession"),
        (AWS, "ValidationError", "DurationSeconds exceeds", "900 s to 43200 s"),
        (MINIO, "InvalidParameterValue", "Invalid token expiry", "900 s to 31536000 s"),
        (AWS, "PackedPolicyTooLarge", "", "never widened"),
        (AWS, "InvalidIdentityToken", "No OpenIDConnect provider found", "register"),
        (AWS, "RegionDisabledException", "", "region"),
        (AWS, "IDPRejectedClaim", "", "claim"),
        (SEAWEEDFS, "ExpiredTokenException", "", "clocks"),
        (SEAWEEDFS, "InvalidParameterValue", "token signature is invalid", "RS384 or RS512"),
    ],
)
def test_the_hint_says_what_to_do(store: StoreKind, code: str, message: str, hint: str) -> None:
    """Each case has its own."""
    assert hint in refused_with(code, message, store=store).hint


def test_seaweedfs_is_not_told_about_tags() -> None:
    """It does not read them, so sts:TagSession is no part of its trust policies."""
    assert "TagSession" not in refused_with("AccessDenied", "trust policy", store=SEAWEEDFS).hint


@pytest.mark.parametrize(
    ("store", "code"), [(AWS, "InvalidIdentityToken"), (SEAWEEDFS, "AccessDenied")]
)
def test_a_wrong_audience_is_shown_beside_the_right_one(store: StoreKind, code: str) -> None:
    """Whoever has to correct it sees both at once."""
    audiences = Audiences(of_token=("sts.example.com",), expected="sts.amazonaws.com")
    hint = refused_with(code, "Incorrect token audience", store=store, audiences=audiences).hint
    assert 'the token is for "sts.example.com", expected is "sts.amazonaws.com"' in hint


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("12", 12.0),
        ("Mon, 01 Jun 2026 12:00:30 GMT", 30.0),
        ("Mon, 01 Jun 2026 11:00:00 GMT", 0.0),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
        ("", None),
    ],
)
def test_retry_after_is_heeded_in_both_forms(value: str, seconds: float | None) -> None:
    """Seconds or a date; anything else is as good as absent."""
    error = refused_with("Throttling", status=503, headers={"retry-after": value})
    assert error.retry_after == seconds


@given(value=st.text())
def test_no_retry_after_can_break_the_reader(value: str) -> None:
    """It is a header, and anybody may have written it."""
    waited = refused_with("Throttling", headers={"retry-after": value}).retry_after
    assert waited is None or waited >= 0


def test_the_store_s_own_words_are_shown_on_one_short_line() -> None:
    """They help, once nothing in them can move a cursor or fill a screen."""
    error = refused_with("AccessDenied", "one\n&#9;two \u202e three" + " x" * 300)
    said = error.hint.partition('; the store said "')[2].removesuffix('"')
    assert said.startswith("one two three x x")
    assert len(said) == 200
    assert error.hint.isprintable()


@pytest.mark.parametrize("piece", [JWT, JWT.split(".")[2], JWT[:30], JWT[:40] + "&#10;" + JWT[40:]])
def test_a_message_that_holds_the_token_is_not_shown(piece: str) -> None:
    """Some stores echo what they could not read."""
    error = refused_with("AccessDenied", f"cannot read {piece} at all")
    assert "store said" not in error.hint
    assert JWT.split(".")[2] not in str(vars(error))


@pytest.mark.parametrize("code", ["", "a b", "x" * 65, "&#10;"])
def test_a_refusal_without_a_usable_code_is_no_sts_answer(code: str) -> None:
    """There is nothing to go by, and nothing fit to be shown."""
    error = refused_with(code)
    assert error.code == "sts_answer_invalid"


def test_a_refusal_never_prints_the_token() -> None:
    """Neither its text nor any field."""
    error = refused_with("ExpiredTokenException", "expired", headers={"retry-after": "3"})
    assert not any(part in str(vars(error)) + repr(error) for part in JWT.split("."))


def test_the_duration_of_the_request_is_no_part_of_a_policy_refusal() -> None:
    """A policy that is too big is answered with the policy alone."""
    request = AssumeRoleRequest(
        role_arn=RoleArn.parse(ROLE),
        role_session_name="agentkeys-run",
        token=Secret(JWT),
        duration=timedelta(hours=1),
        policy="{}",
    )
    assert "duration" not in refused_with("MalformedPolicyDocument", request=request).hint
