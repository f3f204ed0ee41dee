"""What can go wrong between a client and a broker or a store: a value for each way."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Protocol

from tests.fakes.broker import envelope
from tests.fakes.sts import refusal_body

__all__ = [
    "BROKER_FAULTS",
    "PASS",
    "STS_FAULTS",
    "Answer",
    "Delay",
    "Drop",
    "Exchange",
    "Fault",
    "Garbage",
    "Pass",
    "Reset",
    "Truncate",
]

PAGE = b"<!doctype html><title>Sign in</title><p>Please sign in."
HUGE = 4 << 20
"""Bytes; sixteen times what is read of an answer."""


class Exchange(Protocol):
    """One request, and the connection that it came on."""

    async def forward(self) -> bytes:
        """What the real server answers, head and body."""
        ...

    async def send(self, content: bytes) -> None: ...

    async def hold(self, seconds: float | None = None) -> None:
        """Waits that long, until the proxy is told to release, or until the client has gone."""
        ...

    def reset(self) -> None:
        """Ends the connection with a RST, after what was sent."""
        ...


class Fault(Protocol):
    """One way to treat a request; the connection is closed after it."""

    @property
    def name(self) -> str: ...

    async def play(self, exchange: Exchange) -> None: ...


@dataclass(frozen=True)
class Pass:
    """No fault at all."""

    name: str = "pass"

    async def play(self, exchange: Exchange) -> None:
        await exchange.send(await exchange.forward())


@dataclass(frozen=True)
class Delay:
    """The real answer, but so many seconds late."""

    seconds: float
    name: str = "delay"

    async def play(self, exchange: Exchange) -> None:
        await exchange.hold(self.seconds)
        await exchange.send(await exchange.forward())


@dataclass(frozen=True)
class Drop:
    """No answer, and nothing reaches the real server, before the proxy is told to release."""

    name: str = "drop"

    async def play(self, exchange: Exchange) -> None:
        await exchange.hold()
        await exchange.send(await exchange.forward())


@dataclass(frozen=True)
class Reset:
    """A RST: before any answer, or after half of the real one."""

    midway: bool = False

    @property
    def name(self) -> str:
        return "reset midway" if self.midway else "reset"

    async def play(self, exchange: Exchange) -> None:
        if self.midway:
            await exchange.send(_without_half_the_body(await exchange.forward()))
        exchange.reset()


@dataclass(frozen=True)
class Truncate:
    """The real answer with its length, but only half of its body."""

    name: str = "truncate"

    async def play(self, exchange: Exchange) -> None:
        await exchange.send(_without_half_the_body(await exchange.forward()))


@dataclass(frozen=True)
class Answer:
    """An answer of the proxy's own; the real server hears nothing."""

    name: str
    status: int
    body: bytes
    kind: str = "application/json"
    retry_after: int | None = None
    """Seconds."""

    async def play(self, exchange: Exchange) -> None:
        lines = [
            f"HTTP/1.1 {self.status} {HTTPStatus(self.status).phrase}",
            f"content-type: {self.kind}",
            f"content-length: {len(self.body)}",
            "connection: close",
        ]
        if self.retry_after is not None:
            lines.append(f"retry-after: {self.retry_after}")
        await exchange.send("\r\n".join(lines).encode() + b"\r\n\r\n" + self.body)


@dataclass(frozen=True)
class Garbage:
    """Something that is no HTTP."""

    name: str = "garbage"

    async def play(self, exchange: Exchange) -> None:
        await exchange.send(b"\x16\x03\x01\x02\x00 SSH-2.0-nobody\r\n\x00\xff" * 20)


def _without_half_the_body(answer: bytes) -> bytes:
    head, gap, body = answer.partition(b"\r\n\r\n")
    return head + gap + body[: len(body) // 2]


PASS = Pass()


def _by_name(*faults: Fault) -> Mapping[str, Fault]:
    return {fault.name: fault for fault in faults}


_BY_ANYONE: tuple[Fault, ...] = (
    Delay(0.2),
    Drop(),
    Reset(),
    Reset(midway=True),
    Truncate(),
    Garbage(),
    Answer("page", 200, PAGE, "text/html"),
)


def _of_broker(status: int, code: str, detail: str, retry_after: int | None = None) -> Answer:
    body = json.dumps(envelope(code, detail)).encode()
    return Answer(f"{status}", status, body, retry_after=retry_after)


def _of_sts(status: int, code: str, message: str, retry_after: int | None = None) -> Answer:
    body = refusal_body("aws", code, message)
    return Answer(f"{status}", status, body, "text/xml", retry_after)


BROKER_FAULTS = _by_name(
    *_BY_ANYONE,
    _of_broker(400, "bad_request", "no such thing"),
    _of_broker(401, "unauthorized", "session jwt verify: InvalidToken"),
    _of_broker(403, "forbidden", "not on this list"),
    _of_broker(429, "too_many_requests", "slow down", retry_after=1),
    _of_broker(500, "internal", "the key store is away"),
    Answer("503", 503, b"no healthy upstream", "text/plain"),
    Answer("malformed", 200, b'{"jwt": "eyJhbGciOiJFUzI1NiJ9.e30.AAAA'),
    Answer("huge", 200, b'{"jwt": "' + b"x" * HUGE + b'"}'),
)
"""Every way in which a broker's answer can go wrong, by its name."""

STS_FAULTS = _by_name(
    *_BY_ANYONE,
    _of_sts(400, "InvalidIdentityToken", "the token cannot be read"),
    _of_sts(401, "SignatureDoesNotMatch", "somebody else's words"),
    _of_sts(403, "AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity"),
    _of_sts(429, "TooManyRequestsException", "Rate exceeded", retry_after=1),
    _of_sts(500, "InternalFailure", "try again"),
    Answer("503", 503, b"no healthy upstream", "text/plain"),
    Answer("malformed", 200, b"<AssumeRoleWithWebIdentityResponse><Cred", "text/xml"),
    Answer("huge", 200, b"<a>" + b"x" * HUGE + b"</a>", "text/xml"),
)
"""Every way in which an STS's answer can go wrong, by its name; none depends on its dialect."""
