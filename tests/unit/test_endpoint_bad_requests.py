"""Whatever a process on this machine may send to the endpoint: one clear answer, or none."""

from __future__ import annotations

import json
import random
import socket
import struct
import time
from collections.abc import Iterator

import pytest

from agentkeys_daemon.endpoint import Limits
from tests.support.programs import PATIENCE
from tests.support.raw_http import parse_answer
from tests.support.served_endpoint import RUN, ServedEndpoint, connect

LIMIT = 16_384
SOON = Limits(seconds=0.3)


@pytest.fixture(scope="module")
def endpoint() -> Iterator[ServedEndpoint]:
    with ServedEndpoint() as endpoint:
        yield endpoint


@pytest.fixture
def served(endpoint: ServedEndpoint) -> Iterator[ServedEndpoint]:
    """One that still serves after what a test has done to it."""
    endpoint.begin()
    yield endpoint
    assert endpoint.ask().status == 200


def head(served: ServedEndpoint, more: str = "") -> bytes:
    """A good request's, and its end."""
    return (
        f"GET /v1/runs/{RUN}/credentials HTTP/1.1\r\nHost: 127.0.0.1:{served.port}\r\n"
        f"Authorization: {served.token}\r\n{more}\r\n"
    ).encode("latin-1")


def refusal(received: bytes) -> tuple[int, str]:
    """Status and code of one whole answer."""
    answer = parse_answer(received)
    assert answer.headers["connection"] == "close"
    document = json.loads(answer.body)
    assert list(document) == ["code", "message"]
    return answer.status, document["code"]


@pytest.mark.parametrize(
    "more",
    [
        pytest.param(f"X: {'x' * LIMIT}\r\n", id="one long header"),
        pytest.param("x:\r\n" * 5000, id="many short ones"),
        pytest.param(f"X: {'x' * 10_000_000}\r\n", id="megabytes"),
    ],
)
def test_a_head_that_is_too_large_is_refused(served: ServedEndpoint, more: str) -> None:
    """And the client gets to see it."""
    assert refusal(served.converse(head(served, more))) == (413, "request_too_large")


def test_a_head_that_is_just_small_enough_is_not(served: ServedEndpoint) -> None:
    """The limit is what it says."""
    room = LIMIT - len(head(served, "X: \r\n"))
    assert served.converse(head(served, f"X: {'x' * room}\r\n")).startswith(b"HTTP/1.1 200 ")
    beyond = served.converse(head(served, f"X: {'x' * (room + 1)}\r\n"))
    assert refusal(beyond) == (413, "request_too_large")


@pytest.mark.parametrize(
    "framing", ["Content-Length: 1000000\r\n", "Transfer-Encoding: chunked\r\n"]
)
def test_a_body_that_is_too_large_is_refused(served: ServedEndpoint, framing: str) -> None:
    """Nobody needs one here at all."""
    chunk = b"%x\r\n%b\r\n" % (50_000, b"x" * 50_000)
    sent = head(served, framing) + (chunk if "chunked" in framing else b"x" * 1_000_000)
    assert refusal(served.converse(sent)) == (413, "request_too_large")


@pytest.mark.parametrize(
    "more",
    [
        pytest.param("X: a\rb\r\n", id="a carriage return in a value"),
        pytest.param("X: a\0b\r\n", id="a NUL in a value"),
        pytest.param("X\r\n", id="no colon"),
        pytest.param("X y: z\r\n", id="a blank in a name"),
        pytest.param(": z\r\n", id="no name"),
        pytest.param("Content-Length: -1\r\n", id="a negative length"),
        pytest.param("Content-Length: 1\r\nContent-Length: 2\r\n", id="two lengths"),
        pytest.param("Transfer-Encoding: gzip\r\n", id="an unknown encoding"),
    ],
)
def test_a_head_that_can_be_read_in_two_ways_is_refused(served: ServedEndpoint, more: str) -> None:
    """In one way only."""
    received = served.converse(head(served, more))
    assert refusal(received)[0] in (400, 501)
    assert b"secret-1" not in received


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500), id="TLS"),
        pytest.param(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", id="HTTP/2"),
        pytest.param(b"GET /\r\n\r\n", id="HTTP/0.9"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", id="two hosts"),
        pytest.param(b"\r\n" * 10 + b"\0", id="empty lines"),
        pytest.param(b'{"jsonrpc": "2.0"}\n\n', id="JSON"),
        pytest.param(b"GET /\xff\xfe HTTP/1.1\r\n\r\n", id="bytes in the path"),
    ],
)
def test_what_is_no_http_gets_one_answer(served: ServedEndpoint, sent: bytes) -> None:
    """In HTTP, which is all that we speak."""
    assert refusal(served.converse(sent)) in ((400, "protocol_error"), (403, "host_refused"))


def test_noise_does_no_harm(served: ServedEndpoint) -> None:
    """Whatever the dice say."""
    dice = random.Random(7)
    for _ in range(100):
        sent = dice.randbytes(dice.randrange(1, 300)) + b"\r\n\r\n"
        received = served.converse(sent)
        assert received == b"" or refusal(received)[0] in (400, 403)


def test_an_upgrade_is_passed_over(served: ServedEndpoint) -> None:
    """There is nothing to upgrade to."""
    for kind in ("websocket", "h2c"):
        more = f"Connection: Upgrade\r\nUpgrade: {kind}\r\n"
        assert served.converse(head(served, more)).startswith(b"HTTP/1.1 200 ")


def test_a_connection_is_for_one_request(served: ServedEndpoint) -> None:
    """A second that comes right behind it is not answered: the client asks on another one."""
    received = served.converse(head(served) * 2)
    assert received.count(b"HTTP/1.1 200 ") == 1
    assert parse_answer(received).status == 200


def test_a_client_may_wait_to_be_told_to_go_on(served: ServedEndpoint) -> None:
    """As curl does before a body."""
    with connect(served.port) as connection:
        connection.sendall(head(served, "Expect: 100-continue\r\nContent-Length: 1\r\n"))
        assert connection.recv(100).startswith(b"HTTP/1.1 100 ")
        connection.sendall(b"x")
        assert connection.recv(100).startswith(b"HTTP/1.1 200 ")


def test_a_client_that_hangs_up_is_no_trouble(served: ServedEndpoint) -> None:
    """At any moment: with a reset, in the midst of its request or before the answer."""
    sent = head(served, "Content-Length: 5\r\n") + b"12345"
    for length in (0, 1, 50, len(sent) - 1, len(sent)):
        with connect(served.port) as connection:
            connection.sendall(sent[:length])
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def test_whoever_says_nothing_is_hung_up_on() -> None:
    """After a while, and so is who never comes to the end."""
    with ServedEndpoint(limits=SOON) as served:
        for sent in (
            b"",
            b"G",
            b"SSH-2.0-OpenSSH\r\n",
            head(served)[:-2],
            head(served, "Content-Length: 5\r\n") + b"1234",
        ):
            assert _until_closed(served, sent) == b""
        assert served.ask().status == 200


def test_a_byte_at_a_time_is_no_way_to_stay() -> None:
    """The time is for the whole request, not for each of its bytes."""
    with ServedEndpoint(limits=SOON) as served, connect(served.port) as connection:
        _send_until_cut_off(connection, b"x", pause=0.01)


def test_whoever_never_reads_is_let_go() -> None:
    """Its answer goes to the system, which keeps it; we keep nothing."""
    with ServedEndpoint(limits=SOON) as served:
        connections = [_deaf(served.port) for _ in range(100)]
        for connection in connections:
            connection.sendall(head(served))
        assert served.ask().status == 200
        for connection in connections:
            connection.close()


def test_whoever_goes_on_sending_when_refused_is_cut_off() -> None:
    """Rather than listened to for ever."""
    with ServedEndpoint() as served, connect(served.port) as connection:
        _send_until_cut_off(connection, b"x" * 100_000)


def _until_closed(served: ServedEndpoint, sent: bytes) -> bytes:
    """All that comes on a connection that sends `sent`, and then nothing more."""
    with connect(served.port) as connection:
        connection.sendall(sent)
        try:
            return connection.recv(65_536)
        except ConnectionResetError:
            return b""


def _send_until_cut_off(connection: socket.socket, piece: bytes, *, pause: float = 0) -> None:
    end = time.monotonic() + PATIENCE
    try:
        while time.monotonic() < end:
            connection.sendall(piece)
            time.sleep(pause)
    except (BrokenPipeError, ConnectionResetError):
        return
    pytest.fail("nobody has hung up")


def _deaf(port: int) -> socket.socket:
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
    connection.connect(("127.0.0.1", port))
    return connection
