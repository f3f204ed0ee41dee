"""Uses the S3 backend in the folder it is given until its third lease, and prints what it saw."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from collections.abc import AsyncIterator
from typing import Any

sys.path.insert(0, sys.argv[1])

from s3_backend import PART_BYTES, ArtifactMissing, S3Backend  # type: ignore[import-not-found] # in that folder

LEASES = 3
_NAMES = ["small/one"]
_KEY = re.compile(rb"Credential=([A-Za-z0-9]+)/")


class Watch:
    """What a client's calls were signed with, and how they ended."""

    def __init__(self, s3: Any) -> None:
        self.keys: list[str] = []
        self.calls = self.failed = 0
        s3.meta.events.register("before-send.s3", self._note_key)
        s3.meta.events.register("response-received.s3", self._note_end)

    @property
    def leases(self) -> int:
        return len(set(self.keys))

    def _note_key(self, request: Any, **_: object) -> None:
        found = _KEY.search(request.headers["Authorization"])
        assert found
        self.keys.append(found[1].decode())

    def _note_end(self, response_dict: Any, **_: object) -> None:
        self.calls += 1
        self.failed += response_dict is None or response_dict["status_code"] >= 500


class Use:
    """One backend, used in every way; it remembers what was not as it should be."""

    def __init__(self, backend: Any, watch: Watch) -> None:
        self.differences: list[str] = []
        self._backend = backend
        self._watch = watch

    async def small(self) -> None:
        content = bytes(range(256)) * 512
        get = self._backend.get
        await self._backend.put("small/one", content)
        self._expect("whole", await get("small/one"), content)
        self._expect("range", await get("small/one", first=10, last=99), content[10:100])
        self._expect("tail", await get("small/one", first=1000), content[1000:])
        self._expect("names", [one.name async for one in self._backend.list("small/")], _NAMES)

    async def large(self) -> list[str]:
        """The keys that signed the upload's calls."""
        began = len(self._watch.keys)
        content = await _upload(self._backend, self._watch)
        keys = self._watch.keys[began:]
        first, last = PART_BYTES - 5, PART_BYTES + 4
        part = await self._backend.get("large", first=first, last=last)
        self._expect("across parts", part, content[first : last + 1])
        self._expect("large", await self._backend.get("large"), content)
        sizes = [artifact.size async for artifact in self._backend.list("large")]
        self._expect("sizes", sizes, [len(content)])
        return keys

    async def missing(self) -> None:
        await self._backend.delete("large")
        try:
            await self._backend.get("large")
        except ArtifactMissing:
            return
        self.differences.append("missing")

    def _expect(self, what: str, found: object, right: object) -> None:
        if found != right:
            self.differences.append(what)


async def main() -> None:
    async with S3Backend.open() as backend:
        watch = Watch(backend._s3)
        use = Use(backend, watch)
        while watch.leases < LEASES:
            await use.small()
            await asyncio.sleep(0.2)
        upload_keys = await use.large()
        await use.missing()
    document = {
        "keys": watch.keys,
        "upload_keys": upload_keys,
        "calls": watch.calls,
        "failed": watch.failed,
        "differences": use.differences,
    }
    print(json.dumps(document))


async def _upload(backend: Any, watch: Watch) -> bytes:
    """In parts, the last of which comes with another lease than the first."""
    before = watch.leases
    piece: bytes = b"0123456789abcdef" * (PART_BYTES // 16)

    async def pieces() -> AsyncIterator[bytes]:
        yield piece
        while watch.leases == before:
            await backend.get("small/one", last=0)
            await asyncio.sleep(0.2)
        yield piece
        yield b"the end"

    await backend.put_stream("large", pieces())
    return piece * 2 + b"the end"


asyncio.run(main())
