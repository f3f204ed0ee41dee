"""The S3 side of an artifact store: one client for as long as the store runs.

    async with S3Backend.open("artifacts") as backend:
        await backend.put("report.txt", b"words")

The credentials come from the agentkeys daemon of this machine and change about every half hour
while the client stays. Nothing here knows of that.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import aioboto3
from botocore.exceptions import ClientError

import agentkeys

__all__ = ["Artifact", "ArtifactMissing", "S3Backend"]

PART_BYTES = 8 * 1024 * 1024
"""S3 takes parts of 5 MiB and more, and at most 10,000 of them."""


class ArtifactMissing(LookupError):
    """There is no artifact of that name."""


@dataclass(frozen=True)
class Artifact:
    """One of a listing."""

    name: str
    size: int
    changed_at: datetime


class S3Backend:
    """Artifacts by name, all of them below the prefix of one user.

    May be used by any number of tasks of one event loop.
    """

    def __init__(self, *, s3: Any, bucket: str, prefix: str) -> None:
        self._s3 = s3
        self._bucket = bucket
        self._prefix = prefix

    @classmethod
    @asynccontextmanager
    async def open(cls, profile: str | None = None) -> AsyncIterator[S3Backend]:
        """The backend of an agentkeys profile, the default one unless named.

        Fails at once, with what to do about it, where there are no credentials.
        """
        place = await agentkeys.AsyncClient(profile).credentials()
        if place.bucket is None or place.prefix is None:
            raise ValueError(f"the profile {place.profile} needs a bucket and a prefix")
        session = aioboto3.Session(botocore_session=agentkeys.aiobotocore_session(profile))
        async with session.client("s3") as s3:
            yield cls(s3=s3, bucket=place.bucket, prefix=place.prefix)

    async def put(self, name: str, content: bytes) -> None:
        await self._s3.put_object(**self._at(name), Body=content)

    async def put_stream(self, name: str, pieces: AsyncIterator[bytes]) -> None:
        """Content of any length, in parts: it may take longer than any credentials last.

        Nothing of it is there until all of it is.
        """
        started = await self._s3.create_multipart_upload(**self._at(name))
        upload = {**self._at(name), "UploadId": started["UploadId"]}
        try:
            parts = [
                await self._put_part(upload, number, part)
                async for number, part in _numbered(_parts_of(pieces))
            ]
            await self._s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts})
        except BaseException:
            await self._s3.abort_multipart_upload(**upload)
            raise

    async def get(self, name: str, *, first: int = 0, last: int | None = None) -> bytes:
        """The bytes from `first` up to and with `last`, or up to the end.

        Raises ArtifactMissing.
        """
        asked = f"bytes={first}-{'' if last is None else last}"
        whole = first == 0 and last is None
        try:
            answer = await self._s3.get_object(
                **self._at(name), **({} if whole else {"Range": asked})
            )
        except ClientError as problem:
            if problem.response["Error"]["Code"] == "NoSuchKey":
                raise ArtifactMissing(name) from None
            raise
        async with answer["Body"] as body:
            content: bytes = await body.read()
        return content

    async def list(self, below: str = "") -> AsyncIterator[Artifact]:
        """Those whose names begin with `below`, in the order of their names."""
        pages = self._s3.get_paginator("list_objects_v2").paginate(
            Bucket=self._bucket, Prefix=self._prefix + below
        )
        async for page in pages:
            for entry in page.get("Contents", ()):
                name = entry["Key"].removeprefix(self._prefix)
                yield Artifact(name, entry["Size"], entry["LastModified"])

    async def delete(self, name: str) -> None:
        """Whether or not it is there."""
        await self._s3.delete_object(**self._at(name))

    def _at(self, name: str) -> dict[str, str]:
        return {"Bucket": self._bucket, "Key": self._prefix + name}

    async def _put_part(self, upload: dict[str, str], number: int, part: bytes) -> dict[str, Any]:
        answer = await self._s3.upload_part(**upload, PartNumber=number, Body=part)
        return {"PartNumber": number, "ETag": answer["ETag"]}


async def _parts_of(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The same bytes in parts that S3 takes; at least one."""
    held = bytearray()
    sent = False
    async for piece in pieces:
        held += piece
        while len(held) >= PART_BYTES:
            yield bytes(held[:PART_BYTES])
            del held[:PART_BYTES]
            sent = True
    if held or not sent:
        yield bytes(held)


async def _numbered(parts: AsyncIterator[bytes]) -> AsyncIterator[tuple[int, bytes]]:
    number = 0
    async for part in parts:
        number += 1
        yield number, part
