"""The doctor's fault table, third part: what AWS, Ceph and MinIO say, and wrong clocks.

The broker and the store are small servers of our own: these stores cannot run here. What they
answer is what the contract's samples hold, or its table of refusals.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest

from tests.fakes.broker import FakeBroker
from tests.fakes.http_fake import RecordedRequest
from tests.fakes.strict_sts import StrictSts
from tests.fakes.sts import refusal_body
from tests.support.diagnosing import diagnose
from tests.support.moved_clock import WrongClock
from tests.support.place import Place
from tests.support.programs import Home
from tests.support.published_keys import publish_keys
from tests.support.sts_samples import sts_sample
from tests.support.tokens import ALICE

MANY = 50
OF_THE_MACHINE = ("keyring", "memory")
LOOPBACK_ISSUER = ("discovery", "failed", "issuer_not_public")
"""What AWS could never reach is what these tests have for an issuer."""

Answer = tuple[int, bytes] | Callable[[RecordedRequest], tuple[int, bytes] | None]


@dataclass(frozen=True)
class Fault:
    """A row of the table."""

    store: str
    answer: Answer | None
    complaints: tuple[tuple[str, str, str], ...]
    words: str
    """What the last of them says, or advises."""
    profile: Mapping[str, Any] = field(default_factory=dict)
    status: int = 1
    longest: timedelta | None = None
    certificates: bool = True
    """Whether the broker's keys carry some, as Ceph needs it."""
    mismade: str | None = None
    """What is wrong with the token."""


@contextmanager
def faulty(home: Home, fault: Fault) -> Iterator[Place]:
    """Somebody is logged in, and nothing else is wrong."""
    answers = () if fault.answer is None else (fault.answer,)
    with FakeBroker() as broker, StrictSts(fault.store, *answers, longest=fault.longest) as sts:
        publish_keys(broker, certificates=fault.certificates)
        if fault.mismade:
            for _ in range(MANY):
                broker.mint_mismade(fault.mismade)
        place = Place(home, broker, sts)
        place.tables["profiles"]["data"] = place.sound_profile(**fault.profile)
        place.configure()
        place.log_in()
        yield place


def refused(status: int, store: str, code: str, message: str = "") -> tuple[int, bytes]:
    return status, refusal_body(store, code, message)


def _for_more_than_an_hour(request: RecordedRequest) -> tuple[int, bytes] | None:
    if int(request.form["DurationSeconds"]) > 3600:
        return 400, sts_sample("aws.400.ValidationError")
    return None


def _with_a_policy(request: RecordedRequest) -> tuple[int, bytes] | None:
    if "Policy" in request.form:
        return refused(400, "aws", "MalformedPolicyDocument", "Syntax errors in policy.")
    return None


AWS = {
    "an AWS that does not know the issuer": Fault(
        "aws",
        refused(
            400,
            "aws",
            "InvalidIdentityToken",
            "No OpenIDConnect provider found in your account for http://127.0.0.1",
        ),
        (LOOPBACK_ISSUER, ("role", "failed", "unknown_provider")),
        "AWS knows no identity provider http://127.0.0.1:",
    ),
    "an AWS provider for another audience": Fault(
        "aws",
        refused(400, "aws", "InvalidIdentityToken", "Incorrect token audience"),
        (LOOPBACK_ISSUER, ("role", "failed", "wrong_audience")),
        "takes no tokens for sts.amazonaws.com | add sts.amazonaws.com to the clients",
    ),
    "an AWS role that trusts nobody, or has no sts:TagSession": Fault(
        "aws",
        (403, sts_sample("aws.403.AccessDenied")),
        (LOOPBACK_ISSUER, ("role", "failed", "trust_policy")),
        "sts:AssumeRoleWithWebIdentity and sts:TagSession",
    ),
    "an AWS role that names sts:TagSession as what is missing": Fault(
        "aws",
        refused(403, "aws", "AccessDenied", "Not authorized to perform sts:TagSession"),
        (LOOPBACK_ISSUER, ("role", "failed", "tag_session_missing")),
        "add sts:TagSession to the actions of the role's trust policy",
    ),
    "an AWS that cannot fetch the keys": Fault(
        "aws",
        (400, sts_sample("aws.400.InvalidIdentityToken")),
        (LOOPBACK_ISSUER, ("role", "failed", "store_lacks_keys")),
        "AWS cannot fetch the issuer's keys, though they can be had from here",
    ),
    "a duration above the AWS role's maximum": Fault(
        "aws",
        _for_more_than_an_hour,
        (LOOPBACK_ISSUER, ("role", "failed", "duration_too_long")),
        '60 min are given | set duration = "60m"',
        profile={"duration": "2h"},
    ),
    "a session policy that AWS cannot read": Fault(
        "aws",
        _with_a_policy,
        (LOOPBACK_ISSUER, ("role", "failed", "policy_refused")),
        "refuses the profile's session policy, and nothing else",
        profile={"bucket": "bucket", "prefix": "x/", "allow": ["s3://bucket/x/:ro"]},
    ),
    "an AWS region that is off": Fault(
        "aws",
        refused(403, "aws", "RegionDisabledException", "STS is not activated in this region"),
        (LOOPBACK_ISSUER, ("role", "failed", "region_off")),
        "",
    ),
    "an AWS that is busy": Fault(
        "aws",
        (400, sts_sample("aws.400.Throttling")),
        (LOOPBACK_ISSUER, ("role", "failed", "sts_busy")),
        "",
    ),
    "a token without session tags": Fault(
        "aws",
        None,
        (LOOPBACK_ISSUER, ("token", "failed", "token_unconfined")),
        "the token carries no session tags, so nothing would confine its user",
        mismade="without tags",
    ),
    "a store that gives less than SDKs can live with": Fault(
        "aws",
        None,
        (LOOPBACK_ISSUER, ("lifetime", "warning", "session_below_mandatory")),
        "sessions last 8 min: AWS SDKs block every call on a refresh",
        longest=timedelta(minutes=8),
    ),
    "a store that gives less than was asked for": Fault(
        "seaweedfs",
        None,
        (("lifetime", "warning", "session_clamped"),),
        "120 min were asked for, and the store gives 60 min without a word",
        profile={"duration": "2h"},
        longest=timedelta(hours=1),
        status=0,
    ),
}

CEPH = {
    "a Ceph without a certificate beside the key": Fault(
        "ceph",
        (403, sts_sample("ceph.403.any-refusal")),
        (("keys", "failed", "x5c_missing"), ("role", "failed", "x5c_missing")),
        "Ceph refuses without a reason, and the published key has no certificate (x5c)",
        certificates=False,
    ),
    "a Ceph that refuses and does not say why": Fault(
        "ceph",
        (403, sts_sample("ceph.403.any-refusal")),
        (("role", "failed", "refused_unsaid"),),
        "check there, in this order: a provider ",
    ),
    "a Ceph role with a shorter maximum": Fault(
        "ceph",
        lambda request: (
            (400, sts_sample("ceph.400.duration"))
            if int(request.form["DurationSeconds"]) > 3600
            else None
        ),
        (("role", "failed", "duration_too_long"),),
        'set duration = "60m"',
        profile={"duration": "2h"},
    ),
}

OWN = {"confine": "claim:sub", "prefix": "{sub}/"}
"""What the policies of MinIO can read, and the broker's tokens have."""

MINIO = {
    "a MinIO that finds no policy in the token's claim": Fault(
        "minio",
        refused(
            400, "minio", "InvalidParameterValue", "None of the given policies (`x`) are defined"
        ),
        (("role", "failed", "claim_policy_missing"),),
        "without role_arn MinIO takes policies from a claim of the token",
        profile={"role_arn": None, **OWN},
    ),
    "a MinIO whose provider has no such role policy": Fault(
        "minio",
        refused(400, "minio", "InvalidParameterValue", "RoleARN arn:minio:iam:::role/x not found"),
        (("role", "failed", "role_unknown"),),
        "MinIO has no role arn:minio:iam:::role/x",
        profile={"role_arn": "arn:minio:iam:::role/x", **OWN},
    ),
    "a MinIO by whose clock the token has expired": Fault(
        "minio",
        (400, sts_sample("minio.400.expired")),
        (("role", "failed", "token_expired_there"),),
        "a token of this moment has expired by the clock of MinIO",
        profile={"role_arn": None, **OWN},
    ),
}

FAULTS = {**AWS, **CEPH, **MINIO}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_what_a_store_says_is_explained(home: Home, fault: Fault) -> None:
    """In what to change there; and nothing else is complained of."""
    with faulty(home, fault) as place:
        found = diagnose(home, sessions=place.sessions)
    complaints = tuple(entry for entry in found.complaints if entry[0] not in OF_THE_MACHINE)
    assert complaints == fault.complaints, found
    assert fault.words in found.said(fault.complaints[-1][0])
    if LOOPBACK_ISSUER not in fault.complaints:
        assert found.status == fault.status


CLOCKS = {
    "the store is hours ahead": (0, 6, "store_clock_wrong", "360 min ahead of that of"),
    "the broker is an hour behind": (
        -1,
        0,
        "issuer_clock_wrong",
        "60 min behind that of the store",
    ),
    "this machine is hours behind": (6, 6, "own_clock_wrong", "360 min behind those of issuer and"),
    "this machine is hours ahead": (-6, -6, "own_clock_wrong", "360 min ahead of those of issuer"),
}


@pytest.mark.parametrize(("broker", "store", "code", "words"), CLOCKS.values(), ids=CLOCKS)
def test_a_wrong_clock_is_told_with_whose_it_is(
    home: Home, broker: int, store: int, code: str, words: str
) -> None:
    """Two against one; `broker` and `store` are so many hours ahead of this machine."""
    theirs, stores = (WrongClock(timedelta(hours=hours)) for hours in (broker, store))
    with FakeBroker(clock=theirs) as there, StrictSts("seaweedfs", clock=stores) as sts:
        publish_keys(there)
        place = Place(home, there, sts)
        place.configure()
        place.log_in(ALICE)
        found = diagnose(home, sessions=place.sessions)
    complaints = [entry for entry in found.complaints if entry[0] not in OF_THE_MACHINE]
    assert complaints == [("clock", "failed", code)], found
    assert words in found.said("clock")


def test_a_login_that_the_broker_no_longer_takes_is_the_user_s_turn(home: Home) -> None:
    """With status 3, as for any other command."""
    with faulty(home, Fault("seaweedfs", None, (), "")) as place:
        place.broker.end_session(place.sessions[-1])
        found = diagnose(home, sessions=place.sessions)
    assert found.status == 3
    assert [entry for entry in found.complaints if entry[0] not in OF_THE_MACHINE] == [
        ("session", "failed", "login_required")
    ]
    assert "run: agentkeys login" in found.said("session")
