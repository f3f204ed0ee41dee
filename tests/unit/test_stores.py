"""The kinds of store, and where AWS has its STS."""

from __future__ import annotations

import pytest

from agentkeys.errors import ConfigError
from agentkeys.stores import (
    AWS,
    CEPH,
    MINIO,
    SEAWEEDFS,
    STORE_KINDS,
    StoreKind,
    parse_store_kind,
    sts_endpoint,
)


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
