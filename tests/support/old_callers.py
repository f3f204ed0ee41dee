"""Asks as programs asked brokers that still minted: POST /v1/mint-aws-creds."""

from __future__ import annotations

from collections.abc import Mapping
from http.client import HTTPConnection
from urllib.parse import urlsplit

from tests.support.raw_http import RawAnswer

__all__ = ["LEGACY", "MINT", "mint"]

MINT = "/v1/mint-aws-creds"
LEGACY = ("--legacy-mint", "BROKER_URL:BROKER_TOKEN")
"""The option for a program that reads these two variables."""


def mint(
    variables: Mapping[str, str], *, method: str = "POST", body: bytes = b"", **headers: str
) -> RawAnswer:
    """What a program with these variables gets; of a `body` that it is JSON."""
    sent = {"Authorization": f"Bearer {variables['BROKER_TOKEN']}", **headers}
    if body:
        sent["Content-Type"] = "application/json"
    connection = HTTPConnection(urlsplit(variables["BROKER_URL"]).netloc, timeout=30)
    try:
        connection.request(method, MINT, body=body or None, headers=sent)
        answer = connection.getresponse()
        found = {name.lower(): value for name, value in answer.getheaders()}
        return RawAnswer(answer.status, found, answer.read())
    finally:
        connection.close()
