"""Stores: where they are, and how they want to be spoken to."""

from __future__ import annotations

import pytest

from agentkeys.config import Config, parse_config
from agentkeys.errors import ConfigError
from agentkeys.stores import AWS

IDENTITY = '[identities.me]\nsource = "broker"\nurl = "https://broker.example.com"\n'
ENDPOINT = 'sts_endpoint = "http://127.0.0.1:18333"\n'


def read(store: str, *, profile: str = "") -> Config:
    text = IDENTITY + "[stores.west]\n" + store
    if profile:
        text += '[profiles.data]\nidentity = "me"\nstore = "west"\n' + profile
        text += 'role_arn = "arn:aws:iam::000000000001:role/data"\n'
    return parse_config(text, file="config.toml", origin="test", path=None)


def test_aws_is_there_without_being_configured() -> None:
    """Beside those that are."""
    stores = read('kind = "ceph"\n' + ENDPOINT).stores
    assert list(stores) == ["aws", "west"]
    assert stores["aws"].kind is AWS


@pytest.mark.parametrize(
    ("keys", "url"),
    [
        ("", "https://sts.us-west-2.amazonaws.com"),
        ("fips = true\n", "https://sts-fips.us-west-2.amazonaws.com"),
        ("dual_stack = true\n", "https://sts.us-west-2.api.aws"),
        ("fips = true\ndual_stack = true\n", "https://sts-fips.us-west-2.api.aws"),
        ("fips = false\n" + ENDPOINT, "http://127.0.0.1:18333"),
    ],
)
def test_a_store_of_aws_finds_the_endpoint_that_is_meant(keys: str, url: str) -> None:
    """Under a name of its own it can be of another region, with FIPS or dual-stack."""
    store = read(f'kind = "aws"\nregion = "us-west-2"\n{keys}').stores["west"]
    assert store.sts_url("us-west-2") == url


def test_a_profile_can_be_in_another_region() -> None:
    """With the same FIPS and dual-stack."""
    profile = read('kind = "aws"\nfips = true\n', profile='region = "us-east-2"\n').profile("data")
    assert profile.store.sts_url(profile.region or "") == "https://sts-fips.us-east-2.amazonaws.com"


@pytest.mark.parametrize(
    ("store", "message", "hint"),
    [
        pytest.param(
            'kind = "minio"\nfips = true\n' + ENDPOINT,
            "stores.west.fips means nothing to a store of kind minio",
            "remove the line",
            id="fips elsewhere",
        ),
        pytest.param(
            'kind = "seaweedfs"\ndual_stack = false\n' + ENDPOINT,
            "stores.west.dual_stack means nothing to a store of kind seaweedfs",
            "remove the line",
            id="dual-stack elsewhere",
        ),
        pytest.param(
            'kind = "aws"\nfips = "yes"\n',
            "stores.west.fips is a string, not true or false",
            "fips = true",
            id="no boolean",
        ),
        pytest.param(
            'kind = "aws"\nfips = true\n' + ENDPOINT,
            "stores.west.fips stands beside sts_endpoint",
            "keep one",
            id="an endpoint beside fips",
        ),
        pytest.param(
            'kind = "aws"\ndual_stack = true\ns3_endpoint = "https://s3.example.com"\n',
            "stores.west.dual_stack stands beside s3_endpoint",
            "keep one",
            id="an endpoint beside dual-stack",
        ),
        pytest.param(
            'kind = "aws"\nchecksums = "when_require"\n',
            "stores.west.checksums cannot be 'when_require'",
            'did you mean "when_required"?',
            id="unknown checksums",
        ),
        pytest.param(
            'kind = "aws"\nfip = true\n', "stores.west.fip is not a known key", "fips", id="a slip"
        ),
    ],
)
def test_what_has_no_meaning_is_refused(store: str, message: str, hint: str) -> None:
    """Rather than passed over in silence."""
    with pytest.raises(ConfigError) as found:
        read(store)
    assert message in found.value.message
    assert hint in found.value.hint


@pytest.mark.parametrize("kind", ["minio", "ceph", "seaweedfs", "aws"])
def test_any_store_can_ask_for_fewer_checksums(kind: str) -> None:
    """Older ones do not know those that AWS SDKs add by themselves."""
    store = read(f'kind = "{kind}"\nchecksums = "when_required"\n{ENDPOINT}').stores["west"]
    assert store.checksums == "when_required"
