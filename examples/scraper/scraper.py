#!/usr/bin/env python3
"""Keeps a copy of web pages below the prefix of whoever runs it.

    agentkeys exec -- scraper.py https://example.com/ https://example.org/news

Plain boto3: credentials, region and endpoint are where boto3 looks for them anyway, and two more
variables say which place is ours. Ends with 1 when a page could not be kept.
"""

import argparse
import os
import sys
from urllib.parse import urlsplit

import boto3
import urllib3
from botocore.exceptions import ClientError
from urllib3.exceptions import HTTPError

LARGEST_PAGE = 10_000_000


def main() -> int:
    arguments = _arguments()
    s3 = boto3.client("s3")
    bucket = os.environ["AGENTKEYS_S3_BUCKET"]
    failures = 0
    for url in arguments.urls:
        place = f"s3://{bucket}/{arguments.prefix}{key_of(url)}"
        try:
            page = fetch(url)
            s3.put_object(Bucket=bucket, Key=arguments.prefix + key_of(url), Body=page)
            print(f"{place}  {len(page)} bytes")
        except (HTTPError, ClientError) as problem:
            print(f"{place}  {problem}", file=sys.stderr)
            failures += 1
    return 1 if failures else 0


def key_of(url: str) -> str:
    """`https://example.com/news` becomes `example.com/news/index.html`."""
    parts = urlsplit(url)
    folders = [parts.netloc, *(part for part in parts.path.split("/") if part not in ("", ".."))]
    return "/".join([*folders, "index.html"])


def fetch(url: str) -> bytes:
    with urllib3.PoolManager().request("GET", url, timeout=30, preload_content=False) as answer:
        if answer.status != 200:
            raise HTTPError(f"{url} answered {answer.status}")
        return answer.read(LARGEST_PAGE)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Keeps a copy of web pages.")
    parser.add_argument("urls", nargs="+", metavar="URL")
    parser.add_argument(
        "--prefix",
        default=os.environ.get("AGENTKEYS_S3_PREFIX", ""),
        help="where to keep them; our own place unless given",
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
