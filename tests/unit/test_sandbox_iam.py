"""What the sandbox's store is told about identities."""

from __future__ import annotations

import base64
from datetime import timedelta
from typing import Any

import pytest

from agentkeys.models import RoleArn
from agentkeys_shell.sandbox.iam import ROLE_ARN, build_iam_document

ISSUER = "http://127.0.0.1:18091"
OWN = "bots/${jwt:agentkeys_user_wallet}/*"


@pytest.fixture
def iam() -> dict[str, Any]:
    return build_iam_document(issuer=ISSUER)


@pytest.fixture
def statements(iam: dict[str, Any]) -> dict[str, Any]:
    (policy,) = iam["policies"]
    return {statement["Sid"]: statement for statement in policy["document"]["Statement"]}


def test_only_the_broker_is_believed(iam: dict[str, Any]) -> None:
    """The one provider is the broker, spelt as in its tokens, with its published keys."""
    (provider,) = iam["providers"]
    assert provider["config"]["issuer"] == ISSUER
    assert provider["config"]["jwksUri"] == f"{ISSUER}/.well-known/jwks.json"
    assert provider["config"]["clientIds"] == ["sts.amazonaws.com"]


def test_only_its_agents_may_assume_the_role(iam: dict[str, Any]) -> None:
    """Audience and subject of the token are both conditions of trust."""
    (role,) = iam["roles"]
    (trust,) = role["trustPolicy"]["Statement"]
    assert RoleArn.parse(role["roleArn"]) == RoleArn(ROLE_ARN)
    assert trust["Principal"] == {"Federated": iam["providers"][0]["name"]}
    assert trust["Condition"] == {
        "StringEquals": {"oidc:aud": "sts.amazonaws.com"},
        "StringLike": {"oidc:sub": "agentkeys:agent:*"},
    }


def test_objects_are_reached_below_ones_own_prefix_alone(statements: dict[str, Any]) -> None:
    """No object action is allowed anywhere else, and what is not allowed is denied."""
    objects = statements["ObjectsInOwnPrefix"]
    assert objects["Resource"] == [f"arn:aws:s3:::agentkeys/{OWN}"]
    assert {"s3:GetObject", "s3:PutObject", "s3:DeleteObject"} <= set(objects["Action"])


def test_a_listing_needs_ones_own_prefix(statements: dict[str, Any]) -> None:
    """A listing of the whole bucket, or of another's part of it, is not allowed."""
    assert statements["ListOwnPrefix"]["Condition"] == {"StringLike": {"s3:prefix": [OWN]}}


def test_whatever_is_not_allowed_is_denied(iam: dict[str, Any]) -> None:
    """The store's default is to deny, and no statement allows a family of actions."""
    assert iam["policy"]["defaultEffect"] == "Deny"
    (policy,) = iam["policies"]
    actions = [a for statement in policy["document"]["Statement"] for a in statement["Action"]]
    assert not [action for action in actions if "*" in action]


def test_every_start_has_a_sealing_key_of_its_own() -> None:
    """Sessions of an earlier store are worthless in a later one."""
    first, second = (build_iam_document(issuer=ISSUER)["sts"]["signingKey"] for _ in range(2))
    assert first != second
    assert len(base64.b64decode(first)) == 32


def test_sessions_can_be_kept_short() -> None:
    """A limit far below what a caller may ask for makes expiry something that can be tried."""
    sts = build_iam_document(issuer=ISSUER, max_session=timedelta(seconds=6))["sts"]
    assert sts["maxSessionLength"] == "6s"
    assert sts["tokenDuration"] == "6s"
