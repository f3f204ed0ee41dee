"""Our one signed request, compared with what the SDK's own signer makes of it."""

from __future__ import annotations

from datetime import UTC, datetime
from urllib.parse import quote

import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from freezegun import freeze_time
from hypothesis import given
from hypothesis import strategies as st

from agentkeys.doctor.sigv4 import sign_get
from agentkeys.models import TemporaryCredentials
from agentkeys.secret import Secret

AT = datetime(2026, 6, 1, 12, 0, 5, tzinfo=UTC)
CREDENTIALS = TemporaryCredentials(
    "ASIA0000000000000001", Secret("secret/with+odd="), Secret("session/token+=="), AT
)


def sdk_says(url: str, region: str) -> str:
    """The Authorization header that botocore would send."""
    request = AWSRequest(method="GET", url=url)
    keys = Credentials(
        CREDENTIALS.access_key_id,
        CREDENTIALS.secret_access_key.reveal(),
        CREDENTIALS.session_token.reveal(),
    )
    with freeze_time(AT):
        signer = S3SigV4Auth(keys, "s3", region)
        signer.add_auth(request)
    return str(request.headers["Authorization"])


@pytest.mark.parametrize(
    "endpoint",
    [
        "http://127.0.0.1:8333",
        "http://[::1]:8333",
        "https://s3.eu-central-1.amazonaws.com",
        "https://s3.example.com:443",
        "https://example.com/s3/",
    ],
)
def test_it_signs_as_the_sdk_does(endpoint: str) -> None:
    """Whatever the address of the S3."""
    signed = sign_get(
        endpoint,
        "/data",
        {"list-type": "2", "max-keys": "1", "prefix": "bots/0xab/"},
        credentials=CREDENTIALS,
        region="eu-central-1",
        at=AT,
    )
    assert signed.headers["authorization"] == sdk_says(signed.url, "eu-central-1")
    assert signed.headers["x-amz-date"] == "20260601T120005Z"
    assert signed.headers["x-amz-security-token"] == "session/token+=="


@given(prefix=st.text(min_size=1, max_size=40).filter(str.isprintable))
def test_no_prefix_is_signed_as_another(prefix: str) -> None:
    """Encoded once, in the one way that S3 takes."""
    signed = sign_get(
        "https://s3.us-east-1.amazonaws.com",
        "/data",
        {"prefix": prefix},
        credentials=CREDENTIALS,
        region="us-east-1",
        at=AT,
    )
    assert signed.url.endswith(f"?prefix={quote(prefix, safe='-_.~')}")
    assert signed.headers["authorization"] == sdk_says(signed.url, "us-east-1")


def test_its_repr_holds_no_secret() -> None:
    """It may end up in a traceback."""
    signed = sign_get(
        "https://s3.example.com", "/data", {}, credentials=CREDENTIALS, region="x", at=AT
    )
    assert "session/token" not in repr(signed)
    assert "Signature" not in repr(signed)
