"""What any process of the machine sends to the endpoint on 127.0.0.1."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import cache

from agentkeys_daemon.endpoint.door import Door
from agentkeys_daemon.endpoint.protocol import EndpointProtocol, EndpointState, Limits
from agentkeys_daemon.http_server import HttpServer
from tests.fakes.endpoint_runs import FakeRuns
from tests.fuzz.edges.conversation import Conversation, answers_in
from tests.fuzz.edges.edge import Edge, hold

__all__ = ["ENDPOINT_HTTP"]

_SEPARATOR = b"\xff\xfe"
"""Between two parts that arrive one after the other."""
_PORT = 18080
_RUN = "abcdefghij234567"
_RUNS = FakeRuns()
_TOKEN = _RUNS.begin(_RUN).reveal().encode()
_PLACEHOLDER = b"TOKEN"
"""For the run's token, which no fuzzer guesses."""


@cache
def _conversation() -> Conversation:
    def make(until: asyncio.Event) -> HttpServer:
        limits = Limits()
        door = Door(runs=_RUNS, port=_PORT, mint_seconds=limits.mint_seconds)
        server = HttpServer(door, protocol=EndpointProtocol, until=until)
        server.server_state = EndpointState(limits)
        return server

    return Conversation(make)


def _seeds() -> Sequence[bytes]:
    host = f"host: 127.0.0.1:{_PORT}\r\n".encode()
    path = f"/v1/runs/{_RUN}/credentials".encode()
    get = b"GET " + path + b" HTTP/1.1\r\n" + host + b"authorization: TOKEN\r\n\r\n"
    mint = b"POST /v1/mint-aws-creds HTTP/1.1\r\n" + host
    bearer = mint + b"authorization: Bearer TOKEN\r\ncontent-length: 0\r\n\r\n"
    with_body = mint + (
        b"authorization: Bearer TOKEN\r\ncontent-type: application/json\r\ncontent-length: 2\r\n"
        b"\r\n" + _SEPARATOR + b"{}"
    )
    chunked = mint + b"transfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"
    return [
        get,
        bearer,
        with_body,
        chunked,
        get.replace(_PLACEHOLDER, b"wrong"),
        get.replace(host, b"host: evil.example.com\r\n"),
        get.replace(b"GET", b"PUT"),
        b"GET /healthz HTTP/1.1\r\n" + host + b"\r\n",
        b"GET " + b"/x" * 9000 + b" HTTP/1.1\r\n\r\n",
        get + get,
    ]


def _check(data: bytes) -> None:
    parts = data.replace(_PLACEHOLDER, _TOKEN).split(_SEPARATOR)[:20]
    said = _conversation().say(parts)
    if b"HEAD" in data:
        return  # its answers have the length of a body, and no body
    for answer in answers_in(said):
        hold(answer.status != 500, f"unforeseen: {answer.body[:200]!r}")
        if answer.status == 200:
            hold(_PLACEHOLDER in data, "credentials without the token")
            hold(str(_PORT).encode() in data, "credentials for another host")
        hold(_TOKEN not in answer.body, "the token in an answer")


ENDPOINT_HTTP = Edge("endpoint", "requests at the endpoint", _seeds, _check)
