"""A program: one boto3 client in thirty-two threads, until standard input ends.

Prints a line for each access key that it comes to use, and at its end what it did, as JSON.
"""

from __future__ import annotations

import json
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import agentkeys

THREADS = 32


def main() -> None:
    place = agentkeys.Client().credentials()
    assert place.bucket
    bucket, over = place.bucket, threading.Event()
    session = agentkeys.boto3_session()
    s3 = session.client("s3")
    credentials = session.get_credentials()
    assert credentials
    keys: set[str | None] = set()
    telling = threading.Lock()

    def work(number: int) -> tuple[int, list[str]]:
        calls, failures = 0, []
        key = f"{place.prefix}boto3-{number}"
        while not over.is_set():
            calls += 1
            try:
                s3.put_object(Bucket=bucket, Key=key, Body=b"%d" % calls)
                answer = s3.get_object(Bucket=bucket, Key=key)
                assert answer["Body"].read() == b"%d" % calls
            except Exception as problem:  # noqa: BLE001 - whatever it is, it is counted
                failures.append(repr(problem))
            tell(credentials.get_frozen_credentials().access_key)
            over.wait(0.2)
        return calls, failures

    def tell(key: str | None) -> None:
        with telling:
            if key not in keys:
                keys.add(key)
                print(key, flush=True)

    with ThreadPoolExecutor(THREADS) as pool:
        works = [pool.submit(work, number) for number in range(THREADS)]
        sys.stdin.read()
        over.set()
        done = [one.result() for one in works]
    failed = [failure for _, failures in done for failure in failures]
    print(json.dumps({"calls": sum(calls for calls, _ in done), "failures": failed}))


main()
