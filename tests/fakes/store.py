"""A store on loopback: the STS of one kind, and an S3 that lets list what a test says."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

from agentkeys.clock import Clock
from tests.fakes.http_fake import RecordedRequest, Reply
from tests.fakes.sts import FakeSts

__all__ = ["FakeStore"]

_LISTING = (
    b'<?xml version="1.0"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
    b"<KeyCount>0</KeyCount></ListBucketResult>"
)


def _error(code: str, more: str = "") -> bytes:
    return f"<?xml version='1.0'?><Error><Code>{code}</Code>{more}</Error>".encode()


class FakeStore(FakeSts):
    """`lists` says which prefixes may be listed, `finds` whether the bucket's place is told."""

    def __init__(
        self, store: str = "aws", *, clock: Clock | None = None, longest: timedelta | None = None
    ) -> None:
        super().__init__(store, clock=clock, longest=longest)
        self.lists: Callable[[str], bool] = lambda prefix: "deadbeef" not in prefix
        self.finds = False
        self._s3: Reply | None = None

    def s3_answers(
        self, status: int, code: str, more: str = "", headers: Mapping[str, str] | None = None
    ) -> None:
        """Whatever its S3 is asked for."""
        self._s3 = Reply(status, _error(code, more), headers or {})

    @property
    def listed(self) -> list[str]:
        """The prefixes that were asked for, in the order of their names."""
        asked = [parse_qs(urlsplit(request.target).query) for request in self._to_s3]
        return sorted(each["prefix"][0] for each in asked if "prefix" in each)

    @property
    def _to_s3(self) -> list[RecordedRequest]:
        return [request for request in self.requests if request.method == "GET"]

    def _scripted(self, request: RecordedRequest) -> Reply | None:
        return super()._scripted(request) if request.method == "POST" else None

    def _answer(self, request: RecordedRequest) -> Reply:
        if request.method == "POST":
            return super()._answer(request)
        if self._s3:
            return self._s3
        asked = parse_qs(urlsplit(request.target).query, keep_blank_values=True)
        if "location" in asked:
            return Reply(200, b"<LocationConstraint/>") if self.finds else _denied()
        return Reply(200, _LISTING) if self.lists(asked.get("prefix", [""])[0]) else _denied()


def _denied() -> Reply:
    return Reply(403, _error("AccessDenied"))
