"""aioboto3, one session and one client on one event loop."""

# Run in an environment of its own, which a type checker does not see.
# mypy: disable-error-code="import-not-found, no-any-return"

import asyncio
from collections.abc import Coroutine
from typing import Any

import aioboto3
from job import BUCKET, main


class Aioboto3:
    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._s3 = self._wait(aioboto3.Session().client("s3").__aenter__())

    def put(self, key: str, body: bytes) -> None:
        self._wait(self._s3.put_object(Bucket=BUCKET, Key=key, Body=body))

    def get(self, key: str) -> bytes:
        return self._wait(self._read(key))

    def list(self, prefix: str) -> list[str]:
        answer = self._wait(self._s3.list_objects_v2(Bucket=BUCKET, Prefix=prefix))
        return [entry["Key"] for entry in answer.get("Contents", [])]

    async def _read(self, key: str) -> bytes:
        answer = await self._s3.get_object(Bucket=BUCKET, Key=key)
        return await answer["Body"].read()

    def _wait(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self._loop.run_until_complete(work)


main(Aioboto3)
