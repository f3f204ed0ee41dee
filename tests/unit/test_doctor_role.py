"""The dry run: every refusal of every kind of store gets the diagnosis that it deserves."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest

from agentkeys.access_rules import AccessRule
from agentkeys.config import Profile
from agentkeys.doctor import Finding
from agentkeys.doctor.finding import failed, ok
from agentkeys.doctor.probes import Page
from agentkeys.doctor.refusal import Known
from agentkeys.doctor.role import examine_role
from agentkeys.doctor.store import examine_store
from agentkeys.errors import AgentkeysError, ConfigError, StsError, StsUnreachable
from agentkeys.stores import AWS, CEPH, MINIO, SEAWEEDFS, StoreKind
from agentkeys.sts.answer import parse_answer
from tests.fakes.sts import refusal_body
from tests.support.doctoring import a_page, a_token, no_page, verdict
from tests.support.moved_clock import SAMPLE_NOW, MovedClock
from tests.support.profiles import STORE, a_profile
from tests.support.sts_samples import sts_sample

INVALID, DENIED = "InvalidParameterValue", "AccessDenied"
TRUST = "trust policy validation failed: trust policy denies web identity assumption"
NO_ROLE = "RoleArn is required when claim-based policy mode is not configured"
KEYS_WELL = {"keys": ok("keys", "published")}
HOUR = timedelta(hours=1)


def error(store: StoreKind, status: int, body: bytes) -> StsError:
    with pytest.raises(StsError) as found:
        parse_answer(status, {}, body, store=store, now=SAMPLE_NOW)
    return found.value


def said(store: StoreKind, code: str, message: str = "", status: int = 400) -> StsError:
    return error(store, status, refusal_body(store.name, code, message))


def on(store: StoreKind, **changes: Any) -> Profile:
    return a_profile(store=replace(STORE, kind=store), **changes)


@dataclass
class Answers:
    """What the store would say if it were asked otherwise; None where it would say yes."""

    role: StsError | None = None
    policy: StsError | None = None
    longest: timedelta = timedelta(0)
    asked: list[Any] = field(default_factory=list)

    async def without_role(self) -> StsError | None:
        self.asked.append("role")
        return self.role

    async def without_policy(self) -> StsError | None:
        self.asked.append("policy")
        return self.policy

    async def for_time(self, duration: timedelta) -> StsError | None:
        self.asked.append(duration)
        return None if duration <= self.longest else said(SEAWEEDFS, INVALID, "DurationSeconds")


def explain(
    problem: AgentkeysError,
    profile: Profile,
    *,
    findings: Mapping[str, Finding] = KEYS_WELL,
    answers: Answers | None = None,
) -> Finding:
    known = Known(a_token(), findings)
    return asyncio.run(examine_role(problem, profile, known, answers or Answers()))


# whether an STS is there


@pytest.mark.parametrize("kind", [AWS, MINIO, CEPH, SEAWEEDFS])
def test_a_store_that_refuses_a_request_without_a_token_is_there(kind: StoreKind) -> None:
    status = 403 if kind is CEPH else 400
    page = a_page(refusal_body(kind.name, "MissingParameter"), status=status)
    found = examine_store(page, None, store=kind, clock=MovedClock())
    assert verdict(found) == ("ok", None)


@pytest.mark.parametrize(
    ("sts", "s3", "code"),
    [
        (no_page(), None, "store_unreachable"),
        (Page("http://x", problem=ConfigError("http://", hint="https")), None, "config_invalid"),
        (a_page(b"<html>", status=404), None, "not_an_sts"),
        (a_page({"ok": True}), None, "not_an_sts"),
        (a_page(sts_sample("ceph.200.not-an-sts-answer")), None, "not_an_sts"),
        (a_page(b"", status=302), None, "sts_redirects"),
        (a_page(b"<html>", status=502), None, "sts_busy"),
        (a_page(sts_sample("seaweedfs.403.get"), status=403), no_page(), "s3_unreachable"),
    ],
)
def test_what_answers_in_its_place_is_named(sts: Any, s3: Any, code: str) -> None:
    found = examine_store(sts, s3, store=SEAWEEDFS, clock=MovedClock())
    assert verdict(found) == ("failed", code)


# what a refusal means


@pytest.mark.parametrize(
    ("store", "problem", "code", "hint"),
    [
        (
            AWS,
            said(AWS, "InvalidIdentityToken", "Incorrect token audience"),
            "wrong_audience",
            "add sts.amazonaws.com to the clients",
        ),
        (
            AWS,
            said(AWS, "InvalidIdentityToken", "No OpenIDConnect provider found in your account"),
            "unknown_provider",
            "register https://broker.example.com there, spelt exactly so",
        ),
        (
            AWS,
            said(AWS, DENIED, "Not authorized to perform: sts:TagSession", 403),
            "tag_session_missing",
            "add sts:TagSession",
        ),
        (
            AWS,
            error(AWS, 403, sts_sample("aws.403.AccessDenied")),
            "trust_policy",
            "sts:AssumeRoleWithWebIdentity and sts:TagSession",
        ),
        (
            AWS,
            said(AWS, "InvalidIdentityToken", "Couldn't retrieve verification key"),
            "store_lacks_keys",
            "reaches the issuer from where it runs",
        ),
        (
            AWS,
            error(AWS, 400, sts_sample("aws.400.ExpiredTokenException")),
            "token_expired_there",
            "clocks",
        ),
        (AWS, said(AWS, "RegionDisabledException", "", 403), "region_off", "set region"),
        (AWS, said(AWS, "IDPRejectedClaim", "", 403), "claim_refused", "claim"),
        (AWS, said(AWS, "Throttling"), "sts_busy", "wait"),
        (AWS, said(AWS, "NeverHeardOf"), "sts_refused", "documentation of AWS"),
        (
            MINIO,
            said(MINIO, INVALID, "`aud` must match configured OpenID Client ID"),
            "wrong_audience",
            "add sts.amazonaws.com to the clients",
        ),
        (
            MINIO,
            error(MINIO, 400, sts_sample("minio.400.expired")),
            "token_expired_there",
            "clocks",
        ),
        (
            MINIO,
            said(MINIO, INVALID, "Token used before issued"),
            "token_of_the_future",
            "clocks",
        ),
        (
            MINIO,
            said(MINIO, INVALID, "Error processing RoleArn parameter: it is not defined"),
            "role_unknown",
            "without role_arn it takes policies from a claim",
        ),
        (
            SEAWEEDFS,
            error(SEAWEEDFS, 400, sts_sample("seaweedfs.400.bad-signature")),
            "store_refuses_signature",
            "fetches keys from",
        ),
        (
            SEAWEEDFS,
            said(SEAWEEDFS, DENIED, "key with ID x not found in JWKS after refresh", 403),
            "store_reads_other_keys",
            "fetches keys from",
        ),
        (
            SEAWEEDFS,
            said(SEAWEEDFS, DENIED, "role not found: data", 403),
            "role_unknown",
            "correct role_arn",
        ),
        (
            SEAWEEDFS,
            error(SEAWEEDFS, 400, sts_sample("seaweedfs.400.expired")),
            "token_expired_there",
            "clocks",
        ),
        (SEAWEEDFS, StsUnreachable("no answer", hint="see"), "store_unreachable", "see"),
        (SEAWEEDFS, error(SEAWEEDFS, 200, b"<html/>"), "not_an_sts", "sts_endpoint"),
        (SEAWEEDFS, ConfigError("no such duration", hint="correct it"), "config_invalid", "it"),
    ],
)
def test_each_refusal_has_its_diagnosis(
    store: StoreKind, problem: AgentkeysError, code: str, hint: str
) -> None:
    """With the fix in the hint."""
    found = explain(problem, on(store))
    assert verdict(found) == ("failed", code)
    assert hint in (found.hint or "")


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (said(SEAWEEDFS, DENIED, NO_ROLE, 403), "trust_policy"),
        (
            said(
                SEAWEEDFS,
                DENIED,
                "failed to validate web identity token: no identity provider registered for",
                403,
            ),
            "unknown_provider",
        ),
        (
            said(
                SEAWEEDFS, INVALID, "failed to validate web identity token: invalid token audience"
            ),
            "wrong_audience",
        ),
        (said(SEAWEEDFS, DENIED, "failed to fetch JWKS: refused", 403), "store_lacks_keys"),
        (StsUnreachable("gone", hint="see"), "trust_policy"),
        (None, "trust_policy"),
    ],
)
def test_seaweedfs_asks_the_role_first_so_that_it_is_asked_without(
    answer: StsError | None, code: str
) -> None:
    """It says the same of a provider that it does not know and of a condition that does not hold.

    Named no role, it looks at the token.
    """
    problem, answers = said(SEAWEEDFS, DENIED, TRUST, 403), Answers(role=answer)
    found = explain(problem, on(SEAWEEDFS), answers=answers)
    assert verdict(found) == ("failed", code)
    assert answers.asked == ["role"]


def test_a_trust_policy_is_told_what_it_must_hold() -> None:
    """The very values of the token."""
    found = explain(said(AWS, DENIED, "Not authorized", 403), on(AWS))
    for value in ("broker.example.com", "sts.amazonaws.com", a_token().subject):
        assert value in (found.hint or "")
    assert found.facts["aud"] == ["sts.amazonaws.com"]
    assert "agentkeys stores explain aws --profile data" in (found.hint or "")


# durations and policies: asked again with less

TOO_LONG = error(AWS, 400, sts_sample("aws.400.ValidationError"))


@pytest.mark.parametrize(
    ("asked", "longest", "code", "works"),
    [
        (12 * HOUR, HOUR, "duration_too_long", 3600),
        (12 * HOUR, HOUR / 2, "duration_too_long", 1800),
        (HOUR, HOUR / 4, "duration_too_long", 900),
        (HOUR, timedelta(0), "duration_refused", None),
        (HOUR / 4, HOUR, "duration_refused", None),
    ],
)
def test_a_session_that_is_too_long_is_told_what_works(
    asked: timedelta, longest: timedelta, code: str, works: int | None
) -> None:
    assert TOO_LONG.reason == "duration"
    found = explain(TOO_LONG, on(AWS, duration=asked), answers=Answers(longest=longest))
    assert verdict(found) == ("failed", code)
    assert found.facts.get("works_seconds") == works
    if works:
        assert f'duration = "{works // 60}m"' in (found.hint or "")


@pytest.mark.parametrize(
    ("without", "code"),
    [(None, "policy_refused"), (said(AWS, "MalformedPolicyDocument"), "policy")],
)
def test_a_policy_is_to_blame_where_all_is_well_without(
    without: StsError | None, code: str
) -> None:
    problem = error(SEAWEEDFS, 400, sts_sample("seaweedfs.400.malformed-policy"))
    found = explain(problem, on(SEAWEEDFS, policy="{}"), answers=Answers(policy=without))
    assert verdict(found) == ("failed", code)


@pytest.mark.parametrize(
    ("role_arn", "code"),
    [(None, "claim_policy_missing"), (a_profile().role_arn, "claim_refused")],
)
def test_minio_takes_policies_from_a_claim_or_from_a_role(role_arn: Any, code: str) -> None:
    problem = said(MINIO, INVALID, "groups claim missing from the JWT token")
    found = explain(problem, on(MINIO, role_arn=role_arn))
    assert verdict(found) == ("failed", code)
    if role_arn is None:
        assert "set role_arn to its ARN" in (found.hint or "")


def test_nobody_is_told_of_a_role_that_the_profile_does_not_name() -> None:
    """Whatever MinIO says then, it has looked into a claim."""
    found = explain(said(MINIO, DENIED, "Access denied", 403), on(MINIO, role_arn=None))
    assert verdict(found) == ("failed", "claim_policy_missing")


# Ceph gives no reason

UNSAID = error(CEPH, 403, sts_sample("ceph.403.any-refusal"))
NARROW = {"allow": (AccessRule("agentkeys", "bots/x/", "ro"),)}


@pytest.mark.parametrize(
    ("findings", "changes", "answers", "code"),
    [
        ({"keys": failed("keys", "x5c_missing", "no x5c", "add it")}, {}, Answers(), "x5c_missing"),
        (
            {"keys": failed("keys", "key_not_first", "second", "first")},
            {},
            Answers(),
            "key_not_first",
        ),
        (
            {**KEYS_WELL, "clock": failed("clock", "store_clock_wrong", "behind", "set it")},
            {},
            Answers(),
            "store_clock_wrong",
        ),
        (KEYS_WELL, {"duration": 4 * HOUR}, Answers(longest=HOUR), "duration_too_long"),
        (KEYS_WELL, NARROW, Answers(policy=None), "policy_refused"),
        (KEYS_WELL, NARROW, Answers(policy=UNSAID), "refused_unsaid"),
        (KEYS_WELL, {}, Answers(), "refused_unsaid"),
        ({}, {}, Answers(), "refused_unsaid"),
    ],
)
def test_what_ceph_does_not_say_others_may(
    findings: Mapping[str, Finding], changes: dict[str, Any], answers: Answers, code: str
) -> None:
    """The keys, the clocks, a shorter session, one without a policy; else it is said to be open."""
    found = explain(UNSAID, on(CEPH, **changes), findings=findings, answers=answers)
    assert verdict(found) == ("failed", code)


def test_what_cannot_be_told_apart_is_said_to_be_so() -> None:
    """In the order in which it is checked best."""
    found = explain(UNSAID, on(CEPH))
    assert "says the same of" in found.message
    for step in ("a provider https://broker.example.com", "the role arn:", "its trust policy"):
        assert step in (found.hint or "")


@pytest.mark.parametrize("store", [AWS, MINIO, CEPH, SEAWEEDFS])
def test_no_finding_repeats_a_token(store: StoreKind) -> None:
    """A store may put it into its answer."""
    token = a_token().jwt.reveal()
    body = refusal_body(store.name, "InvalidIdentityToken", f"bad token {token}")
    found = explain(error(store, 400, body), on(store))
    document = str(found.to_document())
    assert not any(part in document for part in token.split("."))
