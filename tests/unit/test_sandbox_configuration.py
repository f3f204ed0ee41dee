"""The configuration and the people that a sandbox brings along."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest

from agentkeys.errors import SandboxError
from agentkeys_shell.sandbox.configuration import build_configuration, made_up_users


def build(count: int) -> dict[str, Any]:
    text = build_configuration(
        broker_url="http://127.0.0.1:18091",
        store_url="http://127.0.0.1:18333",
        users=made_up_users(count),
    )
    return tomllib.loads(text)


def test_one_user_has_the_profile_sandbox() -> None:
    """The whole configuration, as a user of one's own would write it."""
    assert build(1) == {
        "default_profile": "sandbox",
        "stores": {
            "sandbox": {
                "kind": "seaweedfs",
                "sts_endpoint": "http://127.0.0.1:18333",
                "s3_endpoint": "http://127.0.0.1:18333",
                "region": "us-east-1",
            }
        },
        "identities": {
            "sandbox": {
                "source": "sandbox",
                "url": "http://127.0.0.1:18091",
                "email": "alice@sandbox.invalid",
            }
        },
        "profiles": {
            "sandbox": {
                "identity": "sandbox",
                "store": "sandbox",
                "role_arn": "arn:aws:iam::000000000001:role/agentkeys-data",
                "duration": "1h",
                "bucket": "agentkeys",
                "prefix": "bots/{wallet}/",
            }
        },
    }


def test_more_users_have_profiles_of_their_own() -> None:
    """Identities and profiles are one to one, and the first user stays the default."""
    configuration = build(3)
    names = ["sandbox", "sandbox-bob", "sandbox-carol"]
    assert list(configuration["identities"]) == names
    assert list(configuration["profiles"]) == names
    assert configuration["default_profile"] == "sandbox"


def test_all_users_are_different_people() -> None:
    """A hundred of them, each with a name, an address and a profile of their own."""
    users = made_up_users(100)
    for values in zip(*((user.name, user.email, user.profile) for user in users), strict=True):
        assert len(set(values)) == 100


@pytest.mark.parametrize("count", [0, -1, 101])
def test_a_senseless_number_of_users_is_refused(count: int) -> None:
    """The hint has the range."""
    with pytest.raises(SandboxError) as caught:
        made_up_users(count)
    assert caught.value.hint == "ask for 1 to 100"
