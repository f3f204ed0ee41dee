"""What an S3 says to a listing of one prefix."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import dataclass

from agentkeys.doctor.probes import Page
from agentkeys.quoting import quotable
from agentkeys.sts.document import MalformedDocument, only_child, parse_document, text_of

__all__ = ["Listing", "read_listing"]


@dataclass(frozen=True, slots=True)
class Listing:
    """What the S3 said to a listing of one prefix."""

    prefix: str
    status: int | None
    """None without any answer."""
    code: str | None = None
    """Of its error."""
    region: str | None = None
    """Where the bucket is, if it says so."""
    problem: str | None = None
    """Why there was no answer."""

    @property
    def is_allowed(self) -> bool:
        return self.status == 200 and self.code is None

    @property
    def is_denied(self) -> bool:
        return self.status == 403 and self.code == "AccessDenied"


def read_listing(prefix: str, page: Page) -> Listing:
    """What came for a ListObjectsV2 of `prefix`."""
    answer = page.answer
    if answer is None:
        return Listing(prefix, None, problem=page.problem.message if page.problem else "no answer")
    region = quotable(answer.headers.get("x-amz-bucket-region")) or None
    try:
        root = parse_document(answer.body)
        name = root.tag.rpartition("}")[2]
        if name == "ListBucketResult":
            return Listing(prefix, answer.status)
        error = root if name == "Error" else only_child(root, "Error")
        code = _text(error, "Code")
        region = region or _text(error, "Region")
    except MalformedDocument:
        code = None
    return Listing(prefix, answer.status, code or "no answer of an S3", region)


def _text(element: ET.Element | None, name: str) -> str | None:
    found = None if element is None else text_of(element, name, limit=128)
    return found if found and found.isascii() and found.isprintable() else None
