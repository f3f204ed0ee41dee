"""A scraper from before July 2026: it has its broker mint, and knows nothing of agentkeys.

argv: bucket, own prefix, another prefix, and a file with a signed request if the broker wants one.
Prints what it got, and what the store said to writing, reading and listing at both prefixes.
"""

import json
import os
import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
from botocore.exceptions import ClientError


def mint(signed: bytes | None) -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {os.environ['BROKER_TOKEN']}"}
    if signed:
        headers["Content-Type"] = "application/json"
    url = os.environ["BROKER_URL"].rstrip("/") + "/v1/mint-aws-creds"
    request = urllib.request.Request(url, signed, headers, method="POST")  # noqa: S310 - as given
    with urllib.request.urlopen(request, timeout=15) as answer:  # noqa: S310 - as given
        given: dict[str, Any] = json.load(answer)
    return given


def outcome(call: Callable[..., object], **arguments: object) -> str:
    try:
        call(Bucket=bucket, **arguments)
    except ClientError as refusal:
        return str(refusal.response["Error"]["Code"])
    return "done"


bucket, own, other, *signed = sys.argv[1:]
given = mint(Path(signed[0]).read_bytes() if signed else None)
s3 = boto3.client(
    "s3",
    aws_access_key_id=given["access_key_id"],
    aws_secret_access_key=given["secret_access_key"],
    aws_session_token=given["session_token"],
)
said = {
    prefix: [
        outcome(s3.put_object, Key=f"{prefix}page.html", Body=b"scraped"),
        outcome(s3.get_object, Key=f"{prefix}page.html"),
        outcome(s3.list_objects_v2, Prefix=prefix),
    ]
    for prefix in (own, other)
}
print(json.dumps({"given": given, "said": said}))
