"""The kinds of store, and where AWS has its STS."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from datetime import timedelta

import pytest

from agentkeys.errors import ConfigError, TokenInvalid
from agentkeys.stores import (
    AWS,
    CEPH,
    MINIO,
    SEAWEEDFS,
    STORE_KINDS,
    StoreKind,
    check_token_form,
    parse_store_kind,
    sts_endpoint,
)
from tests.support.sts_samples import sts_sample


@pytest.mark.parametrize(
    ("kind", "confine"),
    [
        (AWS, "tags"),
        (CEPH, "tags"),
        (SEAWEEDFS, "claim:agentkeys_user_wallet"),
        (MINIO, "claim:preferred_username"),
    ],
)
def test_each_kind_confines_by_what_its_policies_can_read(kind: StoreKind, confine: str) -> None:
    """Tags where the store reads them, else the claim that its policy variables offer."""
    assert str(kind.default_confine) == confine


def test_only_minio_does_without_a_role() -> None:
    """The other stores need a role ARN in every request."""
    assert [kind for kind in STORE_KINDS.values() if not kind.needs_role_arn] == [MINIO]


def test_only_aws_narrows_a_session_by_policy_arns() -> None:
    """Elsewhere they would be dropped without a word."""
    assert [kind for kind in STORE_KINDS.values() if kind.takes_policy_arns] == [AWS]


def test_only_seaweedfs_shortens_sessions_in_silence() -> None:
    """The others refuse a session that is longer than the role allows."""
    assert [kind for kind in STORE_KINDS.values() if kind.clamps_duration] == [SEAWEEDFS]


@pytest.mark.parametrize("kind", STORE_KINDS.values(), ids=list(STORE_KINDS))
def test_every_kind_gives_an_hour(kind: StoreKind) -> None:
    """What profiles ask for unless they say otherwise; none gives less than 15 minutes."""
    assert kind.min_duration == timedelta(minutes=15)
    assert kind.max_duration >= timedelta(hours=12)


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (AWS, "ExpiredToken"),
        (CEPH, "AccessDenied"),
        (MINIO, "InvalidAccessKeyId"),
        (SEAWEEDFS, "InvalidAccessKeyId"),
    ],
)
def test_a_dead_session_has_a_code_of_its_own_at_each_store(kind: StoreKind, code: str) -> None:
    """By which its S3 answers with 403."""
    assert kind.dead_session == code


def test_the_captured_answer_to_a_dead_session_has_that_code() -> None:
    """SeaweedFS is the one that was measured."""
    found = ET.fromstring(sts_sample("seaweedfs.s3.403.expired-session"))  # noqa: S314 - our own
    assert found.findtext("Code") == SEAWEEDFS.dead_session


# What a store asks of a token's header.


@pytest.mark.parametrize("algorithm", ["RS256", "ES256"])
@pytest.mark.parametrize("kind", STORE_KINDS.values(), ids=list(STORE_KINDS))
def test_two_algorithms_are_good_anywhere(kind: StoreKind, algorithm: str) -> None:
    """With a key that is named."""
    check_token_form(kind, algorithm=algorithm, key_id="key")


@pytest.mark.parametrize(
    ("kind", "algorithm"),
    [(CEPH, "RS512"), (CEPH, "ES384"), (AWS, "EdDSA"), (MINIO, "HS256"), (SEAWEEDFS, "none")],
)
def test_an_algorithm_is_refused_with_those_that_the_store_takes(
    kind: StoreKind, algorithm: str
) -> None:
    """Before the store is asked, which might give no reason."""
    with pytest.raises(TokenInvalid, match=f"signed with {algorithm}, which {kind.title}") as found:
        check_token_form(kind, algorithm=algorithm, key_id="key")
    assert all(known in found.value.hint for known in kind.algorithms)


@pytest.mark.parametrize("key_id", [None, ""])
@pytest.mark.parametrize("kind", STORE_KINDS.values(), ids=list(STORE_KINDS))
def test_a_key_without_a_name_is_refused_where_the_store_needs_one(
    kind: StoreKind, key_id: str | None
) -> None:
    """AWS and Ceph try the keys that they have."""
    if kind in (AWS, CEPH):
        check_token_form(kind, algorithm="ES256", key_id=key_id)
        return
    with pytest.raises(TokenInvalid, match="does not name its key") as found:
        check_token_form(kind, algorithm="ES256", key_id=key_id)
    assert "kid" in found.value.hint


# Names and endpoints.


@pytest.mark.parametrize("name", ["aws", "minio", "ceph", "seaweedfs"])
def test_a_kind_is_found_by_its_name(name: str) -> None:
    """The names of the configuration."""
    assert parse_store_kind(name).name == name


@pytest.mark.parametrize(
    ("name", "hint"), [("seaweed", 'did you mean "seaweedfs"?'), ("xyz", "use one of aws")]
)
def test_an_unknown_kind_is_refused_with_the_nearest(name: str, hint: str) -> None:
    """A slip of the pen gets a proposal, anything else the list."""
    with pytest.raises(ConfigError) as refusal:
        parse_store_kind(name)
    assert hint in refusal.value.hint


@pytest.mark.parametrize(
    ("region", "fips", "dual_stack", "url"),
    [
        ("eu-west-1", False, False, "https://sts.eu-west-1.amazonaws.com"),
        ("us-east-1", True, False, "https://sts-fips.us-east-1.amazonaws.com"),
        ("us-east-1", False, True, "https://sts.us-east-1.api.aws"),
        ("us-east-1", True, True, "https://sts-fips.us-east-1.api.aws"),
        ("us-gov-west-1", True, False, "https://sts.us-gov-west-1.amazonaws.com"),
        ("us-gov-west-1", True, True, "https://sts-fips.us-gov-west-1.api.aws"),
        ("cn-north-1", False, False, "https://sts.cn-north-1.amazonaws.com.cn"),
        ("cn-north-1", False, True, "https://sts.cn-north-1.api.amazonwebservices.com.cn"),
        ("eusc-de-east-1", False, False, "https://sts.eusc-de-east-1.amazonaws.eu"),
    ],
)
def test_aws_has_an_sts_in_every_region(
    region: str, fips: bool, dual_stack: bool, url: str
) -> None:
    """The names are those that botocore resolves for the same settings."""
    assert sts_endpoint(AWS, region, fips=fips, dual_stack=dual_stack) == url


@pytest.mark.parametrize("region", ["", "useast1", "us-east-1.evil.example", "us-east-1/x", "a b"])
def test_what_is_no_region_makes_no_host_name(region: str) -> None:
    """A region from a configuration file cannot choose another host."""
    with pytest.raises(ConfigError, match="is not an AWS region"):
        sts_endpoint(AWS, region)


@pytest.mark.parametrize("kind", [MINIO, CEPH, SEAWEEDFS])
def test_other_stores_have_no_endpoint_of_their_own(kind: StoreKind) -> None:
    """Their STS can be anywhere, so the configuration must say it."""
    with pytest.raises(ConfigError, match="no sts_endpoint"):
        sts_endpoint(kind, "us-east-1")
