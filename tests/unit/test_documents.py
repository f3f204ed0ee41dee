"""What programs are handed."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from agentkeys.config import Profile, Store
from agentkeys.documents import credential_process_document, credential_variables, place_variables
from agentkeys.errors import TokenUnconfined
from agentkeys.leases import Lease
from agentkeys.stores import AWS
from tests.support.profiles import STORE, a_lease, a_profile
from tests.support.tokens import ALICE, CAROL


def variables_of(
    profile: Profile, lease: Lease, inherited_region: str | None = None
) -> dict[str, str]:
    place = place_variables(profile, lease, inherited_region=inherited_region)
    return place | credential_variables(lease)


def variables(inherited_region: str | None = None, **changes: Any) -> dict[str, str]:
    return variables_of(a_profile(**changes), a_lease(), inherited_region)


def test_the_document_is_the_one_that_sdks_read() -> None:
    """Version 1, whole, on one line."""
    document = credential_process_document(a_lease())
    assert json.loads(document) == {
        "Version": 1,
        "AccessKeyId": "ASIA0000000000000001",
        "SecretAccessKey": "secret-1",
        "SessionToken": "session-1",
        "Expiration": "2026-06-01T13:00:00Z",
    }
    assert document.endswith(b"}\n")
    assert document.count(b"\n") == 1


def test_a_run_gets_credentials_and_its_place() -> None:
    """Everything that it needs to find its data, and nothing that leads elsewhere."""
    assert variables() == {
        "AWS_ACCESS_KEY_ID": "ASIA0000000000000001",
        "AWS_SECRET_ACCESS_KEY": "secret-1",
        "AWS_SESSION_TOKEN": "session-1",
        "AWS_CREDENTIAL_EXPIRATION": "2026-06-01T13:00:00Z",
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:18334",
        "AWS_ALLOW_HTTP": "true",
        "AWS_ENDPOINT_URL_S3": "http://127.0.0.1:18334",
        "AGENTKEYS_PROFILE": "data",
        "AGENTKEYS_USER_WALLET": ALICE.wallet,
        "AGENTKEYS_S3_BUCKET": "agentkeys",
        "AGENTKEYS_S3_PREFIX": f"bots/{ALICE.wallet}/",
    }


@pytest.mark.parametrize(
    ("profile", "inherited", "expected"),
    [
        pytest.param("eu-central-1", "us-west-2", "eu-central-1", id="the profile's first"),
        pytest.param(None, "us-west-2", "us-west-2", id="then the caller's"),
        pytest.param(None, None, "us-east-1", id="then the default"),
    ],
)
def test_the_region_is_the_first_that_is_known(
    profile: str | None, inherited: str | None, expected: str
) -> None:
    """In both of the variables that SDKs read."""
    given = variables(inherited, region=profile)
    assert given["AWS_REGION"] == given["AWS_DEFAULT_REGION"] == expected


def test_what_is_not_known_is_not_set() -> None:
    """No empty variable, and no endpoint where the store finds its own."""
    store = Store("aws", AWS, None, None, None)
    given = variables(store=store, bucket=None, prefix=None)
    assert not [name for name in given if "ENDPOINT" in name or "_S3_" in name]
    assert all(given.values())


def test_how_the_store_wants_to_be_spoken_to_is_told() -> None:
    """By the variables that AWS SDKs read."""
    store = Store("west", AWS, None, None, None, fips=True, checksums="when_required")
    given = variables(store=store)
    assert given["AWS_USE_FIPS_ENDPOINT"] == "true"
    assert "AWS_USE_DUALSTACK_ENDPOINT" not in given
    assert given["AWS_REQUEST_CHECKSUM_CALCULATION"] == "when_required"
    assert given["AWS_RESPONSE_CHECKSUM_VALIDATION"] == "when_required"


def test_a_user_without_a_wallet_lives_under_the_omni() -> None:
    """As the broker's tokens have it."""
    given = variables_of(a_profile(), a_lease(CAROL))
    assert given["AGENTKEYS_S3_PREFIX"] == f"bots/{CAROL.omni}/"


def test_a_prefix_that_cannot_be_filled_gives_no_run() -> None:
    """Rather than a place that is somebody else's, or everybody's."""
    lease = replace(a_lease(), claims={"agentkeys_user_wallet": ".."})
    with pytest.raises(TokenUnconfined):
        variables_of(a_profile(), lease)
    with pytest.raises(TokenUnconfined):
        variables_of(a_profile(prefix="{claim:team}/"), a_lease())


def test_a_claim_that_is_not_there_is_no_variable() -> None:
    """Where the prefix does not need it."""
    lease = replace(a_lease(), claims={})
    given = variables_of(a_profile(prefix="shared/", store=STORE), lease)
    assert "AGENTKEYS_USER_WALLET" not in given
