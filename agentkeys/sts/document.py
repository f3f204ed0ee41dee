"""Reads the XML of an STS, which anybody between us and the store may have written."""

from __future__ import annotations

import xml.etree.ElementTree as ET

__all__ = ["STS_NAMESPACE", "MalformedDocument", "only_child", "parse_document", "text_of"]

STS_NAMESPACE = "{https://sts.amazonaws.com/doc/2011-06-15/}"
"""As ElementTree writes a namespace before a name; Ceph uses none."""

_MAX_BYTES = 131_072


class MalformedDocument(ValueError):
    """Not the XML that was expected; says where, and quotes nothing of it."""


def parse_document(body: bytes) -> ET.Element:
    """The root element of `body`; raises MalformedDocument.

    All that is dangerous in XML (entities that grow or read files, external DTDs) needs a document
    type declaration. No STS sends one, so a body that holds one is not parsed at all. That makes
    the standard parser as safe as defusedxml, without the dependency.
    """
    if len(body) > _MAX_BYTES:
        raise MalformedDocument("too long")
    if not _is_utf8(body):
        raise MalformedDocument("not in UTF-8")
    if b"<!DOCTYPE" in body:
        raise MalformedDocument("with a document type declaration")
    parser = ET.XMLParser(encoding="utf-8")  # noqa: S314 - see above
    try:
        parser.feed(body)
        return parser.close()
    except ET.ParseError as error:
        line, column = error.position
    # Outside the handler, so that the parser's error, which may quote the body, is not chained.
    raise MalformedDocument(f"malformed at line {line}, column {column}")


def _is_utf8(body: bytes) -> bool:
    # Looking for a declaration means nothing in UTF-16, which expat recognises by a byte order mark
    # or a zero byte and then prefers to the encoding that it was told.
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return b"\0" not in body


def only_child(parent: ET.Element, name: str) -> ET.Element | None:
    """The child called `name` in its parent's namespace; raises when there are several."""
    namespace = parent.tag[: parent.tag.find("}") + 1]
    found = [child for child in parent if child.tag == namespace + name]
    if len(found) > 1:
        raise MalformedDocument(f"with more than one {name}")
    return found[0] if found else None


def text_of(parent: ET.Element, name: str, *, limit: int = 2048) -> str | None:
    """The text of the child called `name`, None where there is none or it is empty.

    Raises MalformedDocument when it holds elements or more than `limit` characters.
    """
    child = only_child(parent, name)
    if child is None:
        return None
    if len(child) or len(child.text or "") > limit:
        raise MalformedDocument(f"with a {name} that is no short text")
    return child.text or None
