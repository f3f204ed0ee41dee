#!/usr/bin/env python3
"""A program that needs S3 and knows nothing of agentkeys but two variables.

Writes a page below its own prefix, lists the prefix and reads the page back; or tries the same
below the prefix that it is given. Ends with 1 when anything of that fails.
"""

import os
import sys
from collections.abc import Callable

import boto3
from botocore.exceptions import ClientError

PAGE = b"<h1>scraped</h1>\n"


def main() -> int:
    bucket = os.environ["AGENTKEYS_S3_BUCKET"]
    prefix = sys.argv[1] if len(sys.argv) > 1 else os.environ["AGENTKEYS_S3_PREFIX"]
    page = f"{prefix}page.html"
    s3 = boto3.client("s3")

    def write() -> bool:
        return bool(s3.put_object(Bucket=bucket, Key=page, Body=PAGE))

    def listed() -> bool:
        found = s3.list_objects_v2(Bucket=bucket, Prefix=prefix)
        return page in [entry["Key"] for entry in found["Contents"]]

    def read() -> bool:
        return s3.get_object(Bucket=bucket, Key=page)["Body"].read() == PAGE

    worked = [
        attempt(f"write s3://{bucket}/{page}", write),
        attempt(f"list  s3://{bucket}/{prefix}", listed),
        attempt(f"read  s3://{bucket}/{page}", read),
    ]
    return 0 if all(worked) else 1


def attempt(what: str, step: Callable[[], bool]) -> bool:
    try:
        outcome = "done" if step() else "wrong"
    except ClientError as problem:
        outcome = f"refused by the store: {problem.response['Error']['Code']}"
    print(f"{what}  {outcome}")
    return outcome == "done"


if __name__ == "__main__":
    sys.exit(main())
