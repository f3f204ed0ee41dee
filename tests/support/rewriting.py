"""A fault that changes what the real server answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from email.utils import format_datetime, parsedate_to_datetime

from tests.support.faults import Exchange

__all__ = ["Rewrite", "at_another_time", "with_words"]


@dataclass(frozen=True)
class Rewrite:
    """The real answer after `change`, which gets its head, without the last line's end, and body.

    Its length is put right.
    """

    change: Callable[[bytes, bytes], tuple[bytes, bytes]]
    name: str = "rewrite"

    async def play(self, exchange: Exchange) -> None:
        head, _, body = (await exchange.forward()).partition(b"\r\n\r\n")
        head, body = self.change(head, body)
        lines = [line for line in head.split(b"\r\n") if not _is(line, b"content-length")]
        lines.append(b"content-length: %d" % len(body))
        await exchange.send(b"\r\n".join(lines) + b"\r\n\r\n" + body)


def with_words(old: str, new: str) -> Rewrite:
    """`new` wherever the body has `old`."""
    return Rewrite(lambda head, body: (head, body.replace(old.encode(), new.encode())))


def at_another_time(ahead: timedelta) -> Rewrite:
    """As if the server's clock were that far ahead."""

    def change(head: bytes, body: bytes) -> tuple[bytes, bytes]:
        lines = head.split(b"\r\n")
        return b"\r\n".join(_moved(line, ahead) for line in lines), body

    return Rewrite(change)


def _moved(line: bytes, ahead: timedelta) -> bytes:
    if not _is(line, b"date"):
        return line
    told = parsedate_to_datetime(line.partition(b":")[2].decode())
    return b"date: " + format_datetime(told + ahead, usegmt=True).encode()


def _is(line: bytes, name: bytes) -> bool:
    return line.lower().startswith(name + b":")
