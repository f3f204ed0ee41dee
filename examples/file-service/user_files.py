"""One user's four folders in a bucket, and the S3 clients that reach them."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from threading import Lock
from typing import Any

import boto3
from botocore.config import Config

import agentkeys

__all__ = ["FOLDERS", "Clients", "UserFiles"]

FOLDERS = ("uploads", "outputs", "shared", "tasks")


@dataclass(frozen=True)
class UserFiles:
    """What one user's credentials reach: the store lets them in at `prefix`, and no further."""

    s3: Any
    bucket: str
    prefix: str

    def names(self, folder: str) -> list[str]:
        """All of them, in order."""
        below = f"{self.prefix}{folder}/"
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=below)
        return [
            entry["Key"].removeprefix(below) for page in pages for entry in page.get("Contents", ())
        ]

    def read(self, folder: str, name: str) -> bytes:
        content: bytes = self.s3.get_object(**self._at(folder, name))["Body"].read()
        return content

    def write(self, folder: str, name: str, content: bytes) -> None:
        self.s3.put_object(**self._at(folder, name), Body=content)

    def delete(self, folder: str, name: str) -> None:
        self.s3.delete_object(**self._at(folder, name))

    def _at(self, folder: str, name: str) -> dict[str, str]:
        return {"Bucket": self.bucket, "Key": f"{self.prefix}{folder}/{name}"}


class Clients:
    """A client for each set of credentials: one costs more to make than a call. For threads."""

    def __init__(self, limit: int = 500) -> None:
        self._limit = limit
        self._lock = Lock()
        self._made: OrderedDict[str, UserFiles] = OrderedDict()

    def files_of(self, credentials: agentkeys.ServedCredentials) -> UserFiles:
        """By access key: whoever has another one has other clients."""
        with self._lock:
            found = self._made.pop(credentials.access_key_id, None) or _make(credentials)
            self._made[credentials.access_key_id] = found
            if len(self._made) > self._limit:
                self._made.popitem(last=False)
            return found


def _make(credentials: agentkeys.ServedCredentials) -> UserFiles:
    if credentials.bucket is None or credentials.prefix is None:
        raise ValueError(f"the profile {credentials.profile} needs a bucket and a prefix")
    s3 = boto3.Session().client(
        "s3", **credentials.as_boto3(), config=Config(retries={"max_attempts": 2})
    )
    return UserFiles(s3, credentials.bucket, credentials.prefix)
