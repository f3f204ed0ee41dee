"""A program: one aiobotocore client in thirty-two tasks, until standard input ends.

Prints a line for each access key that it comes to use, and at its end what it did, as JSON.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

import agentkeys

TASKS = 32


async def main() -> None:
    place = await agentkeys.AsyncClient().credentials()
    session = agentkeys.aiobotocore_session()
    over = asyncio.Event()
    keys: set[str] = set()
    failures: list[str] = []
    credentials: Any = await session.get_credentials()

    async with session.create_client("s3") as s3:

        async def work(number: int) -> int:
            calls = 0
            where = {"Bucket": place.bucket, "Key": f"{place.prefix}aiobotocore-{number}"}
            while not over.is_set():
                calls += 1
                try:
                    await s3.put_object(**where, Body=b"%d" % calls)
                    answer = await s3.get_object(**where)
                    assert await answer["Body"].read() == b"%d" % calls
                    tell((await credentials.get_frozen_credentials()).access_key)
                except Exception as problem:  # noqa: BLE001 - whatever it is, it is counted
                    failures.append(repr(problem))
                await asyncio.sleep(0.2)
            return calls

        def tell(key: str) -> None:
            if key not in keys:
                keys.add(key)
                print(key, flush=True)

        works = [asyncio.create_task(work(number)) for number in range(TASKS)]
        await asyncio.to_thread(sys.stdin.read)
        over.set()
        print(json.dumps({"calls": sum([await one for one in works]), "failures": failures}))


asyncio.run(main())
