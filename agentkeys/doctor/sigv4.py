"""Signs one kind of request: a listing of a bucket, by AWS Signature Version 4.

Source: the S3 API reference, "Authenticating Requests: Using the Authorization Header". What the
daemon asks of an S3 is so little that the SDK would be out of proportion.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import quote, urlsplit

from agentkeys.models import TemporaryCredentials

__all__ = ["SignedGet", "sign_get"]

_ALGORITHM = "AWS4-HMAC-SHA256"
_NO_BODY = hashlib.sha256(b"").hexdigest()
_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class SignedGet:
    """A request that is good for some minutes; its headers open what the credentials open."""

    url: str
    headers: Mapping[str, str]

    def __repr__(self) -> str:
        return f"SignedGet({self.url!r})"


def sign_get(
    endpoint: str,
    path: str,
    query: Mapping[str, str],
    *,
    credentials: TemporaryCredentials,
    region: str,
    at: datetime,
) -> SignedGet:
    """A GET of `path` and `query` below `endpoint`; `path` begins with a slash, neither is encoded.

    `at` is the time by the server's clock, as far as that is known.
    """
    parts = urlsplit(endpoint)
    uri = quote(parts.path.rstrip("/") + path, safe="/-_.~")
    asked = "&".join(f"{_encode(name)}={_encode(query[name])}" for name in sorted(query))
    stamp = at.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
    signed = {
        "host": _host(endpoint),
        "x-amz-content-sha256": _NO_BODY,
        "x-amz-date": stamp,
        "x-amz-security-token": credentials.session_token.reveal(),
    }
    names = ";".join(signed)
    lines = "".join(f"{name}:{value}\n" for name, value in signed.items())
    canonical = f"GET\n{uri}\n{asked}\n{lines}\n{names}\n{_NO_BODY}"
    scope = f"{stamp[:8]}/{region}/s3/aws4_request"
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    to_sign = f"{_ALGORITHM}\n{stamp}\n{scope}\n{digest}"
    key = _key(credentials.secret_access_key.reveal(), stamp[:8], region)
    signature = hmac.new(key, to_sign.encode(), hashlib.sha256).hexdigest()
    headers = {name: value for name, value in signed.items() if name != "host"}
    headers["authorization"] = (
        f"{_ALGORITHM} Credential={credentials.access_key_id}/{scope}, SignedHeaders={names},"
        f" Signature={signature}"
    )
    return SignedGet(f"{parts.scheme}://{parts.netloc}{uri}?{asked}", headers)


def _host(endpoint: str) -> str:
    """As it stands in the Host header: without a port that goes without saying."""
    parts = urlsplit(endpoint)
    host = parts.hostname or ""
    name = f"[{host}]" if ":" in host else host
    return (
        name if parts.port in (None, _DEFAULT_PORTS.get(parts.scheme)) else f"{name}:{parts.port}"
    )


def _encode(text: str) -> str:
    return quote(text, safe="-_.~")


def _key(secret: str, day: str, region: str) -> bytes:
    key = f"AWS4{secret}".encode()
    for part in (day, region, "s3", "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return key
