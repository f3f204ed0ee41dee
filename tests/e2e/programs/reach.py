"""Puts an object into its own prefix, and says which prefixes it can list, put into and read.

argv: bucket, own prefix, every prefix; AWS_* or a profile lead to credentials as for any program.
With LEGACY_URL it mints as scrapers used to.
"""

import json
import os
import sys
import urllib.request
from collections.abc import Callable

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError


def session() -> boto3.Session:
    if "LEGACY_URL" not in os.environ:
        return boto3.Session()
    request = urllib.request.Request(  # noqa: S310 - loopback, as exec says
        f"{os.environ['LEGACY_URL']}/v1/mint-aws-creds",
        method="POST",
        headers={"Authorization": f"Bearer {os.environ['LEGACY_TOKEN']}"},
    )
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=30) as answer:
        given = json.load(answer)
    return boto3.Session(given["access_key_id"], given["secret_access_key"], given["session_token"])


def allowed(call: Callable[..., object], **arguments: object) -> bool:
    try:
        call(Bucket=bucket, **arguments)
    except ClientError as refusal:
        if refusal.response["Error"]["Code"] not in ("AccessDenied", "403"):
            raise
        return False
    return True


bucket, own, *prefixes = sys.argv[1:]
s3 = session().client("s3", config=Config(proxies={}))
s3.put_object(Bucket=bucket, Key=f"{own}mine", Body=b"words")
print(
    json.dumps(
        {
            prefix: [
                allowed(s3.list_objects_v2, Prefix=prefix),
                allowed(s3.put_object, Key=f"{prefix}theirs", Body=b""),
                allowed(s3.get_object, Key=f"{prefix}mine"),
            ]
            for prefix in prefixes
        }
    )
)
