"""What is sent to an STS, and what is never sent."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from agentkeys.errors import ConfigError, TokenInvalid
from agentkeys.models import RoleArn
from agentkeys.secret import Secret
from agentkeys.stores import AWS, CEPH, MINIO, SEAWEEDFS, StoreKind
from agentkeys.sts.request import AssumeRoleRequest, check_request, form

ROLE = RoleArn.parse("arn:aws:iam::111122223333:role/data")
TOKEN = Secret("header.payload.signature")


def request(**fields: Any) -> AssumeRoleRequest:
    defaults: dict[str, Any] = {
        "role_arn": ROLE,
        "role_session_name": "agentkeys-run",
        "token": TOKEN,
    }
    return AssumeRoleRequest(**({**defaults, **fields}))


def test_a_full_request_has_every_parameter() -> None:
    """The names are those of the STS query protocol, lists numbered from one."""
    arns = ("arn:aws:iam::aws:policy/A", "arn:aws:iam::aws:policy/B")
    assert form(request(duration=timedelta(hours=1), policy="{}", policy_arns=arns)) == {
        "Action": "AssumeRoleWithWebIdentity",
        "Version": "2011-06-15",
        "RoleArn": ROLE.arn,
        "RoleSessionName": "agentkeys-run",
        "WebIdentityToken": "header.payload.signature",
        "DurationSeconds": "3600",
        "Policy": "{}",
        "PolicyArns.member.1.arn": arns[0],
        "PolicyArns.member.2.arn": arns[1],
    }


def test_what_is_left_to_the_store_is_not_sent() -> None:
    """A MinIO without role policies wants neither role nor duration."""
    assert set(form(request(role_arn=None))) == {
        "Action",
        "Version",
        "RoleSessionName",
        "WebIdentityToken",
    }


def test_a_request_prints_without_its_token() -> None:
    """It may end up in a log or a traceback."""
    assert "payload" not in repr(request())


@pytest.mark.parametrize(
    "fields",
    [
        {"role_session_name": "x"},
        {"role_session_name": "agentkeys:agent"},
        {"role_session_name": "ключ-1"},
        {"role_session_name": "x" * 65},
        {"duration": timedelta(seconds=900, milliseconds=5)},
        {"policy": ""},
        {"policy": "x" * 2049},
        {"policy_arns": ("arn:aws:iam::aws:policy/A",) * 11},
        {"policy_arns": ("policy/A",)},
    ],
)
def test_what_no_sts_takes_is_never_made(fields: dict[str, Any]) -> None:
    """The limits of the API reference hold from construction on."""
    with pytest.raises(ConfigError):
        request(**fields)


@pytest.mark.parametrize("token", ["abc", "x" * 20001, "with space", "line\r\nbreak", "schlüssel"])
def test_what_is_no_token_is_refused_and_not_shown(token: str) -> None:
    """Whatever a token source gave, it stays out of the message."""
    with pytest.raises(TokenInvalid) as refusal:
        request(token=Secret(token))
    assert token not in refusal.value.message + refusal.value.hint


@pytest.mark.parametrize("store", [AWS, CEPH, SEAWEEDFS])
def test_a_missing_role_is_told_before_the_call(store: StoreKind) -> None:
    """Some stores would answer with a bare AccessDenied."""
    with pytest.raises(ConfigError, match="needs a role ARN") as refusal:
        check_request(request(role_arn=None), store)
    assert refusal.value.hint == "set role_arn to the role's ARN"


@pytest.mark.parametrize("store", [MINIO, CEPH, SEAWEEDFS])
def test_policy_arns_go_to_aws_only(store: StoreKind) -> None:
    """Ignored in silence, they would leave the session wider than asked."""
    with pytest.raises(ConfigError, match="would not narrow"):
        check_request(request(policy_arns=("arn:aws:iam::aws:policy/A",)), store)


def test_a_policy_goes_to_no_store_that_would_drop_it() -> None:
    """For the same reason; a request without one is as good as ever."""
    plain = replace(SEAWEEDFS, takes_policy=False)
    with pytest.raises(ConfigError, match="knows no session policies and would not narrow"):
        check_request(request(policy="{}"), plain)
    check_request(request(), plain)


@pytest.mark.parametrize("store", [AWS, MINIO, CEPH, SEAWEEDFS])
def test_every_store_that_there_is_takes_a_policy(store: StoreKind) -> None:
    """So that rules of access can be kept with each."""
    check_request(request(policy="{}"), store)


@pytest.mark.parametrize("seconds", [899, 43201])
def test_a_duration_out_of_range_is_told_with_the_range(seconds: int) -> None:
    """Before the call, and in the unit of the API."""
    with pytest.raises(ConfigError) as refusal:
        check_request(request(duration=timedelta(seconds=seconds)), AWS)
    assert "900 s to 43200 s" in refusal.value.hint


def test_minio_gives_sessions_of_days() -> None:
    """Its range is its own."""
    check_request(request(role_arn=None, duration=timedelta(days=7)), MINIO)


@pytest.mark.parametrize("duration", [None, timedelta(seconds=900), timedelta(hours=12)])
def test_a_good_request_passes(duration: timedelta | None) -> None:
    """The bounds belong to the range."""
    check_request(request(duration=duration, policy_arns=("arn:aws:iam::aws:policy/A",)), AWS)
