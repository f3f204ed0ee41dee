"""The STS exchange as a library: what to send with any HTTP client, and what came back."""

from __future__ import annotations

import subprocess
import sys
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl

import pytest

import agentkeys.sts
from agentkeys.errors import ConfigError, StsAnswerInvalid, StsBusy, StsTokenRefused, TokenInvalid
from agentkeys.models import RoleArn
from agentkeys.secret import Secret
from agentkeys.stores import SEAWEEDFS
from agentkeys.sts import (
    StsError,
    parse_response,
    request_body,
    request_pairs,
    role_session_name,
)
from agentkeys.sts.request import AssumeRoleRequest, form
from tests.fakes.sts import refusal_body, success_body
from tests.support.moved_clock import SAMPLE_NOW
from tests.support.sts_samples import sts_sample

ROLE = "arn:aws:iam::111122223333:role/data"
CALL: dict[str, Any] = {
    "web_identity_token": "header.payload.signature",
    "store": "seaweedfs",
    "role_arn": ROLE,
    "role_session_name": "agentkeys-run",
}
HEAVY = "anyio click cryptography filelock h11 httpx jwt keyring platformdirs rich uvicorn"


def test_importing_it_imports_nothing_but_python_s_own() -> None:
    """Whoever has an HTTP client of their own needs none of ours, and no event loop."""
    script = f"""if True:
        import sys
        import agentkeys.sts
        print(set(sys.modules) & set({f"{HEAVY} asyncio agentkeys.transport".split()!r}))
    """
    printed = subprocess.run(
        [sys.executable, "-I", "-c", script], capture_output=True, text=True, check=True
    )
    assert printed.stdout == "set()\n"


def test_it_offers_what_goes_around_a_call_and_what_comes_of_it() -> None:
    """Whatever else the daemon needs is its own, and may change."""
    assert set(agentkeys.sts.__all__) == {
        "CONTENT_TYPE",
        "StsError",
        "TemporaryCredentials",
        "parse_response",
        "request_body",
        "request_pairs",
        "role_session_name",
    }
    assert all(hasattr(agentkeys.sts, name) for name in agentkeys.sts.__all__)
    assert not hasattr(agentkeys.sts, "AssumeRoleRequest")


# the request


def test_the_pairs_are_what_the_daemon_sends() -> None:
    """One form for both."""
    request = AssumeRoleRequest(
        role_arn=RoleArn.parse(ROLE),
        role_session_name="agentkeys-run",
        token=Secret("header.payload.signature"),
    )
    assert request_pairs(**CALL) == list(form(request).items())
    assert "DurationSeconds" not in dict(request_pairs(**CALL))


def test_the_body_is_the_form() -> None:
    """Encoded, so that it comes back whole."""
    policy = {"Version": "2012-10-17", "a": "ä&="}
    call = CALL | {"duration": timedelta(minutes=20), "policy": policy}
    body = request_body(**call)
    assert parse_qsl(body.decode("ascii"), strict_parsing=True) == request_pairs(**call)
    fields = dict(parse_qsl(body.decode("ascii")))
    assert fields["DurationSeconds"] == "1200"
    assert fields["Policy"] == '{"Version":"2012-10-17","a":"\\u00e4&="}'


def test_values_of_ours_are_taken_as_well() -> None:
    """A Secret, a RoleArn and a kind of store are what text stands for."""
    ours = {
        "web_identity_token": Secret("header.payload.signature"),
        "store": SEAWEEDFS,
        "role_arn": RoleArn(ROLE),
    }
    assert request_pairs(**(CALL | ours)) == request_pairs(**CALL)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"store": "seawedfs"}, "not a kind of store"),
        ({"role_arn": None}, "needs a role ARN"),
        ({"role_arn": "data"}, "not a role ARN"),
        ({"role_session_name": "agent:1"}, "not a role session name"),
        ({"duration": timedelta(seconds=5)}, "gives no session of 5 s"),
        ({"policy": "x" * 3000}, "3000 characters"),
        ({"policy_arns": ["arn:aws:iam::aws:policy/A"]}, "would not narrow the session"),
    ],
)
def test_what_a_store_would_refuse_or_drop_is_an_error(changes: dict[str, Any], words: str) -> None:
    """Before anything is sent: a policy that is dropped in silence leaves the session too wide."""
    with pytest.raises(ConfigError, match=words):
        request_body(**(CALL | changes))


def test_what_is_no_token_is_an_error() -> None:
    """Without a word of it in the message."""
    with pytest.raises(TokenInvalid) as refusal:
        request_pairs(**(CALL | {"web_identity_token": "se cret"}))
    assert "cret" not in str(refusal.value)


def test_a_session_name_is_made_of_anything() -> None:
    """Subjects hold colons, which no store takes."""
    assert role_session_name("agentkeys:agent:0xab", "1") == "agentkeys-agentkeysagent0xab-1"


# the answer


@pytest.mark.parametrize("store", ["aws", "minio", "ceph", "seaweedfs"])
def test_an_answer_becomes_credentials(store: str) -> None:
    """In the dialect of every store, for boto3 and for programs."""
    body = success_body(store, number=7, expires_at=SAMPLE_NOW + timedelta(hours=1))
    credentials = parse_response(200, body, store, now=SAMPLE_NOW)
    assert credentials.as_boto3() == {
        "aws_access_key_id": credentials.access_key_id,
        "aws_secret_access_key": "secret-7",
        "aws_session_token": "session-7",
    }
    assert credentials.as_environment() == {
        "AWS_ACCESS_KEY_ID": credentials.access_key_id,
        "AWS_SECRET_ACCESS_KEY": "secret-7",
        "AWS_SESSION_TOKEN": "session-7",
        "AWS_CREDENTIAL_EXPIRATION": "2026-06-01T13:00:00Z",
    }
    assert "secret-7" not in repr(credentials)


@pytest.mark.parametrize(
    ("store", "code", "message", "kind", "own_code"),
    [
        ("aws", "ExpiredTokenException", "", StsTokenRefused, "sts_token_refused"),
        ("ceph", "AccessDenied", "", StsTokenRefused, "sts_token_refused"),
        ("minio", "STSNotInitialized", "", StsBusy, "sts_busy"),
    ],
)
def test_a_refusal_is_an_error_with_codes(
    store: str, code: str, message: str, kind: type[StsError], own_code: str
) -> None:
    """Ours for programs, and the store's own."""
    with pytest.raises(StsError) as refusal:
        parse_response(400, refusal_body(store, code, message), store)
    problem = refusal.value
    assert type(problem) is kind
    assert (problem.code, problem.sts_code) == (own_code, code)
    assert problem.message.endswith(f"a role {'now ' if problem.retryable else ''}({code})")
    assert problem.hint


def test_a_store_s_words_are_told_but_for_a_token() -> None:
    """What looks like one is not repeated, although nobody said which one it was."""
    for words, told in [
        ("bad key", True),
        ("bad eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJzb21l.c2ln", False),
    ]:
        with pytest.raises(StsError) as refusal:
            parse_response(400, refusal_body("aws", "AccessDenied", words), "aws")
        assert ("the store said" in refusal.value.hint) is told
        assert "eyJ" not in refusal.value.hint


def test_a_role_that_is_not_known_here_is_hinted_at_all_the_same() -> None:
    """An answer alone does not say which role it was."""
    with pytest.raises(StsError) as refusal:
        parse_response(403, refusal_body("aws", "AccessDenied"), "aws")
    assert "trust policy" in refusal.value.hint


def test_headers_count_in_any_spelling() -> None:
    """How long to wait, and the store's clock, by which its credentials may be good yet."""
    with pytest.raises(StsBusy) as busy:
        parse_response(503, b"", "aws", headers={"Retry-After": "7"})
    assert busy.value.retry_after == 7
    body = sts_sample("aws.200")
    late = SAMPLE_NOW + timedelta(hours=2)
    with pytest.raises(StsAnswerInvalid, match="expired at"):
        parse_response(200, body, "aws", now=late)
    date = {"date": "Mon, 01 Jun 2026 12:00:00 GMT"}
    assert parse_response(200, body, "aws", now=late, headers=date).access_key_id
