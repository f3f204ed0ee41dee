#!/usr/bin/env python3
"""Leaves a report in its own place of a bucket every so often, for as long as it runs."""

import os
import socket
import sys
import time

import boto3
from botocore.exceptions import BotoCoreError, ClientError

BUCKET = os.environ["AGENTKEYS_S3_BUCKET"]
PREFIX = os.environ.get("REPORT_PREFIX") or os.environ["AGENTKEYS_S3_PREFIX"]
SECONDS = float(os.environ.get("REPORT_SECONDS", "60"))


def main() -> None:
    s3 = boto3.client("s3")
    number = 0
    while True:
        number += 1
        key = f"{PREFIX}{socket.gethostname()}/{number:08d}"
        s3.put_object(Bucket=BUCKET, Key=key, Body=time.ctime().encode())
        print(f"s3://{BUCKET}/{key}", flush=True)
        time.sleep(SECONDS)


if __name__ == "__main__":
    try:
        main()
    except (BotoCoreError, ClientError) as problem:
        sys.exit(f"reporter: {problem}")
