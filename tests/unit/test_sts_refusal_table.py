"""What may go wrong, row by row, and what each kind of store says then."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from agentkeys.errors import StsBusy, StsError, StsRefused, StsTokenRefused
from agentkeys.models import RoleArn
from agentkeys.secret import Secret
from agentkeys.stores import AWS, CEPH, MINIO, SEAWEEDFS, STORE_KINDS, Case, StoreKind
from agentkeys.sts.answer import parse_answer
from agentkeys.sts.cases import case_of
from agentkeys.sts.request import AssumeRoleRequest
from tests.fakes.sts import refusal_body
from tests.support.moved_clock import SAMPLE_NOW

REQUEST = AssumeRoleRequest(
    role_arn=RoleArn("arn:aws:iam::111122223333:role/data"),
    role_session_name="agentkeys-run",
    token=Secret("eyJh.eyJz.c2ln"),
)
NEW_TOKEN, STOP, LATER = StsTokenRefused, StsRefused, StsBusy
INVALID = "InvalidParameterValue"
DENIED = "AccessDenied"
TRUST = "trust policy validation failed: trust policy denies web identity assumption"


@dataclass(frozen=True)
class Said:
    """One answer, what it means there, and what follows."""

    store: StoreKind
    status: int
    code: str
    message: str
    case: Case
    then: type[StsError]


def unsaid(then: type[StsError] = NEW_TOKEN) -> Said:
    """Ceph's answer to nearly everything."""
    return Said(CEPH, 403, DENIED, "", Case.UNSAID, then)


ROWS: dict[str, list[Said]] = {
    "JWT expired": [
        Said(AWS, 400, "ExpiredTokenException", "Token expired: …", Case.TOKEN_EXPIRED, NEW_TOKEN),
        Said(SEAWEEDFS, 400, "ExpiredTokenException", "", Case.TOKEN_EXPIRED, NEW_TOKEN),
        unsaid(),
        Said(MINIO, 400, INVALID, "Token is expired", Case.TOKEN_EXPIRED, NEW_TOKEN),
        Said(MINIO, 400, "ExpiredToken", "", Case.TOKEN_EXPIRED, NEW_TOKEN),
    ],
    "bad signature, alg, unknown key": [
        Said(
            AWS, 400, "InvalidIdentityToken", "signature invalid", Case.TOKEN_INVALID, NEW_TOKEN
        ),
        Said(SEAWEEDFS, 400, INVALID, "signature is invalid", Case.TOKEN_INVALID, NEW_TOKEN),
        Said(
            SEAWEEDFS, 403, DENIED, "failed to validate web identity token: missing key ID",
            Case.TOKEN_INVALID, NEW_TOKEN,
        ),
        Said(
            SEAWEEDFS, 403, DENIED, "failed to get public key: key with ID k not found in JWKS",
            Case.KEY_UNKNOWN, NEW_TOKEN,
        ),
        unsaid(),
        Said(MINIO, 400, INVALID, "verification error", Case.TOKEN_INVALID, NEW_TOKEN),
    ],
    "STS can't fetch the keys": [
        Said(
            AWS, 400, "InvalidIdentityToken", "Couldn't retrieve verification key from your",
            Case.KEYS_UNREACHABLE, LATER,
        ),
        Said(AWS, 400, "IDPCommunicationError", "", Case.KEYS_UNREACHABLE, LATER),
        Said(SEAWEEDFS, 403, DENIED, "failed to fetch JWKS: …", Case.KEYS_UNREACHABLE, LATER),
        Said(SEAWEEDFS, 400, INVALID, "failed to fetch JWKS: …", Case.KEYS_UNREACHABLE, LATER),
        unsaid(),
        Said(MINIO, 400, INVALID, "dial tcp: timeout", Case.KEYS_UNREACHABLE, LATER),
    ],
    "wrong audience": [
        Said(
            AWS, 400, "InvalidIdentityToken", "Incorrect token audience", Case.WRONG_AUDIENCE, STOP
        ),
        Said(
            SEAWEEDFS, 400, INVALID, "failed to validate …: invalid token audience",
            Case.WRONG_AUDIENCE, STOP,
        ),
        Said(SEAWEEDFS, 403, DENIED, TRUST, Case.NOT_TRUSTED, STOP),
        unsaid(),
        Said(MINIO, 400, INVALID, "audience mismatch", Case.WRONG_AUDIENCE, STOP),
    ],
    "provider not registered": [
        Said(
            AWS, 400, "InvalidIdentityToken", "No OpenIDConnect provider found in your account",
            Case.UNKNOWN_PROVIDER, STOP,
        ),
        Said(
            SEAWEEDFS, 403, DENIED,
            "failed to validate web identity token: no identity provider registered for issuer",
            Case.UNKNOWN_PROVIDER, STOP,
        ),
        unsaid(),
    ],
    "token of the future": [
        Said(AWS, 400, "InvalidIdentityToken", "not yet valid", Case.TOKEN_INVALID, NEW_TOKEN),
        Said(
            SEAWEEDFS, 400, INVALID, "token has invalid claims: token is not valid yet",
            Case.NOT_YET_VALID, NEW_TOKEN,
        ),
        unsaid(),
        Said(MINIO, 400, INVALID, "Token used before issued", Case.NOT_YET_VALID, NEW_TOKEN),
    ],
    "no such role": [
        Said(AWS, 403, DENIED, "Not authorized to perform sts:…", Case.NOT_TRUSTED, STOP),
        Said(SEAWEEDFS, 403, DENIED, "role not found: data", Case.ROLE_UNKNOWN, STOP),
        unsaid(),
        Said(
            MINIO, 400, INVALID, "Error processing RoleArn parameter: RoleARN is not defined",
            Case.ROLE_UNKNOWN, STOP,
        ),
    ],
    "tags are not allowed": [
        Said(
            AWS, 403, DENIED, "Not authorized to perform: sts:TagSession", Case.TAG_SESSION, STOP
        ),
    ],
    "trust policy says no": [
        Said(AWS, 403, DENIED, "Not authorized to perform sts:…", Case.NOT_TRUSTED, STOP),
        Said(SEAWEEDFS, 403, DENIED, TRUST, Case.NOT_TRUSTED, STOP),
        unsaid(),
        Said(MINIO, 403, DENIED, "", Case.NOT_TRUSTED, STOP),
    ],
    "claim refused": [Said(AWS, 403, "IDPRejectedClaim", "", Case.CLAIM_REFUSED, STOP)],
    "duration out of range": [
        Said(
            AWS, 400, "ValidationError", "The requested DurationSeconds exceeds", Case.DURATION,
            STOP,
        ),
        Said(SEAWEEDFS, 400, INVALID, "DurationSeconds must be between", Case.DURATION, STOP),
        Said(CEPH, 400, "InvalidArgument", "", Case.DURATION, STOP),
        Said(MINIO, 400, INVALID, "DurationSeconds out of range", Case.DURATION, STOP),
    ],
    "bad or too big Policy": [
        Said(AWS, 400, "MalformedPolicyDocument", "", Case.POLICY, STOP),
        Said(AWS, 400, "PackedPolicyTooLarge", "", Case.POLICY, STOP),
        Said(SEAWEEDFS, 400, "MalformedPolicyDocument", "", Case.POLICY, STOP),
        Said(CEPH, 400, "MalformedPolicyDocument", "", Case.POLICY, STOP),
        Said(MINIO, 400, INVALID, "Invalid session policy", Case.POLICY, STOP),
    ],
    "region off": [Said(AWS, 403, "RegionDisabledException", "", Case.REGION_OFF, STOP)],
    "missing parameter": [
        Said(AWS, 400, "MissingParameter", "", Case.BAD_REQUEST, STOP),
        Said(AWS, 400, "ValidationError", "1 validation error detected", Case.BAD_REQUEST, STOP),
        Said(SEAWEEDFS, 400, "MissingParameter", "", Case.BAD_REQUEST, STOP),
        unsaid(),
        Said(MINIO, 400, "MissingParameter", "", Case.BAD_REQUEST, STOP),
    ],
    "starting up, overloaded": [
        Said(AWS, 503, "ServiceUnavailable", "", Case.BUSY, LATER),
        Said(AWS, 400, "Throttling", "Rate exceeded", Case.BUSY, LATER),
        Said(AWS, 500, "InternalFailure", "", Case.BUSY, LATER),
        Said(SEAWEEDFS, 503, "ServiceUnavailable", "", Case.BUSY, LATER),
        Said(CEPH, 500, "UnknownError", "", Case.BUSY, LATER),
        Said(MINIO, 503, "STSNotInitialized", "", Case.BUSY, LATER),
        Said(MINIO, 503, "STSIAMNotInitialized", "", Case.BUSY, LATER),
    ],
    "an unknown code": [
        Said(store, status, "NeverHeardOf", "", case, then)
        for store in STORE_KINDS.values()
        for status, case, then in ((400, Case.UNKNOWN, STOP), (502, Case.BUSY, LATER))
    ],
}  # fmt: skip
EACH = [
    pytest.param(said, id=f"{row}, {said.store.name} {said.status} {said.code}")
    for row, answers in ROWS.items()
    for said in answers
]


@pytest.mark.parametrize("said", EACH)
def test_each_store_is_understood_in_its_own_words(said: Said) -> None:
    """Status, code and message together tell what went wrong."""
    assert case_of(said.store, said.status, said.code, said.message) is said.case


@pytest.mark.parametrize("said", EACH)
def test_each_leads_to_a_new_token_a_pause_or_the_end(said: Said) -> None:
    """With a hint, and the store's own code for programs."""
    body = refusal_body(said.store.name, said.code, said.message)
    with pytest.raises(StsError) as found:
        parse_answer(said.status, {}, body, store=said.store, request=REQUEST, now=SAMPLE_NOW)
    assert type(found.value) is said.then
    assert found.value.sts_code == said.code
    assert found.value.hint


def test_only_what_aws_alone_can_say_is_missing_elsewhere() -> None:
    """Every other row has an answer of each store, bar the issuer that MinIO does not check."""
    for row, answers in ROWS.items():
        heard = {said.store.name for said in answers}
        missing = STORE_KINDS.keys() - heard
        if row in ("claim refused", "region off", "tags are not allowed"):
            assert heard == {AWS.name}
        elif row == "provider not registered":
            assert missing == {MINIO.name}
        else:
            assert not missing, row
