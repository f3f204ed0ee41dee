"""Requests to brokers and stores: where they may go, and how little they can cost."""

from __future__ import annotations

import asyncio
import logging
import os
import re
import select
import socket
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta
from typing import Any

import pytest

from agentkeys.clock import SystemClock
from agentkeys.errors import ConfigError
from agentkeys.transport import Answer, Transport, TransportError
from agentkeys.transport.failures import explain
from tests.fakes.sts import FakeSts
from tests.support.moved_clock import MovedClock

SECRET = "very-secret"


@asynccontextmanager
async def open_transport(**options: Any) -> AsyncIterator[Transport]:
    transport = Transport(clock=options.pop("clock", SystemClock()), **options)
    try:
        yield transport
    finally:
        await transport.aclose()


def send(
    url: str, *, method: str = "POST", transport: dict[str, Any] | None = None, **options: Any
) -> Answer:
    async def once() -> Answer:
        async with open_transport(**(transport or {})) as opened:
            return await opened.send(method, url, **options)

    return asyncio.run(once())


def failure(url: str, **options: Any) -> TransportError:
    with pytest.raises(TransportError) as failed:
        send(url, **options)
    return failed.value


def chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


@pytest.fixture
def server() -> Iterator[FakeSts]:
    with FakeSts() as running:
        yield running


@contextmanager
def closed_port() -> Iterator[int]:
    """A port of ours on which nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


@contextmanager
def raw_server(serve: Callable[[socket.socket], None]) -> Iterator[str]:
    """A URL whose first connection is handed to `serve`, then closed."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def take_one() -> None:
            connection, _ = listener.accept()
            with connection:
                serve(connection)

        thread = threading.Thread(target=take_one)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
        thread.join()


def test_a_form_arrives_as_a_form(server: FakeSts) -> None:
    """Encoded so that nothing in a value can become another field."""
    send(server.url, form={"a": "1&b=2", "c": "ü +/="})
    assert server.requests[0].form == {"a": "1&b=2", "c": "ü +/="}
    assert server.requests[0].headers["content-type"] == "application/x-www-form-urlencoded"


def test_json_arrives_as_json(server: FakeSts) -> None:
    """With the headers that the caller gave."""
    send(server.url, json={"a": None}, headers={"authorization": "Bearer x"})
    assert server.requests[0].headers["content-type"] == "application/json"
    assert server.requests[0].headers["authorization"] == "Bearer x"


def test_an_answer_is_status_headers_and_body(server: FakeSts) -> None:
    """Whatever the status is, and with header names in lower case."""
    server.answer_with(418, b"short and stout", {"X-Kind": "teapot"})
    answer = send(server.url, method="GET")
    assert (answer.status, answer.body, answer.headers["x-kind"]) == (
        418,
        b"short and stout",
        "teapot",
    )


def test_an_answer_prints_without_its_body(server: FakeSts) -> None:
    """Bodies hold credentials."""
    server.answer_with(200, SECRET.encode(), {"X-Secret": SECRET})
    assert SECRET not in repr(send(server.url))


def test_a_redirect_is_an_answer(server: FakeSts) -> None:
    """What was meant for one address goes to no other."""
    server.answer_with(307, b"", {"Location": server.url})
    assert send(server.url, form={"token": SECRET}).status == 307
    assert len(server.requests) == 1


def test_a_cookie_never_travels_on(server: FakeSts) -> None:
    """Identities share the connections, not each other's state."""

    async def twice() -> None:
        async with open_transport() as transport:
            await transport.send("POST", server.url)
            await transport.send("POST", server.url)

    server.answer_with(200, b"", {"Set-Cookie": "session=mine"})
    asyncio.run(twice())
    assert "cookie" not in server.requests[1].headers


def test_a_closed_transport_opens_again(server: FakeSts) -> None:
    """A daemon that closed its idle connections can go on."""

    async def close_between() -> Answer:
        async with open_transport() as transport:
            await transport.send("POST", server.url)
            await transport.aclose()
            return await transport.send("POST", server.url)

    assert asyncio.run(close_between()).status == 200


@pytest.mark.parametrize("ahead", [timedelta(minutes=5), timedelta(0), timedelta(minutes=-5)])
def test_the_server_s_date_measures_the_skew(ahead: timedelta) -> None:
    """Positive means that the server is ahead of us."""
    ours, theirs = MovedClock(), MovedClock()
    theirs.move(ahead)
    with FakeSts(clock=theirs) as server:
        assert send(server.url, transport={"clock": ours}).skew == ahead


def test_a_body_that_is_too_long_is_not_read_to_its_end(server: FakeSts) -> None:
    """The limit is the caller's, and the message tells it."""
    server.answer_with(200, b"x" * 1001)
    assert "more than 1000 bytes" in failure(server.url, max_bytes=1000).message


def test_a_body_of_just_the_limit_is_fine(server: FakeSts) -> None:
    """The limit itself belongs to it."""
    server.answer_with(200, b"x" * 1000)
    assert len(send(server.url, max_bytes=1000).body) == 1000


def test_a_compressed_body_stays_compressed(server: FakeSts) -> None:
    """A few bytes cannot unfold into a memory full of them."""
    server.answer_with(200, b"\x1f\x8b", {"Content-Encoding": "gzip"})
    assert send(server.url).body == b"\x1f\x8b"
    assert server.requests[0].headers["accept-encoding"] == "identity"


def test_the_whole_call_ends_in_time(server: FakeSts) -> None:
    """A server that says nothing costs no more than the time allowed."""
    with server.stuck():
        error = failure(server.url, timeout=0.05)
    assert error.message.endswith("did not answer within 0.05 s")
    assert error.retryable


def test_a_server_that_drips_ends_in_time_too() -> None:
    """The limit is for all reads together: a byte now and then does not extend it."""

    def drip(connection: socket.socket) -> None:
        connection.recv(65_536)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        while not select.select([connection], [], [], 0.005)[0]:  # until the client hangs up
            connection.sendall(b"x")

    with raw_server(drip) as url:
        assert "did not answer within 0.2 s" in failure(url, timeout=0.2).message


def test_a_closed_port_is_told_as_such() -> None:
    """With the address, in plain words."""
    with closed_port() as port:
        error = failure(f"http://127.0.0.1:{port}/?q={SECRET}", form={"token": SECRET})
    assert error.message == f"nothing answers at 127.0.0.1:{port}"
    assert not any(SECRET in repr(link) for link in chain(error))


def test_a_failed_race_of_addresses_is_told_like_one_failure() -> None:
    """A name with several addresses fails with a group of errors."""
    refused = OSError("all failed")
    refused.__cause__ = ExceptionGroup("", [ConnectionRefusedError(), ConnectionRefusedError()])
    assert explain(refused, "localhost:1").message == "nothing answers at localhost:1"


def test_a_host_that_takes_no_connection_is_told_in_time() -> None:
    """A connection has a limit of its own, well below that of the answer."""
    with socket.socket() as listener, socket.socket() as first, socket.socket() as second:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for filler in (first, second):
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        port = listener.getsockname()[1]
        error = failure(f"http://127.0.0.1:{port}/", connect_timeout=0.05)
    assert error.message == f"no connection to 127.0.0.1:{port} within 0.05 s"


def test_a_connection_that_breaks_off_is_told() -> None:
    """Half an answer is none."""
    with raw_server(lambda connection: None) as url:
        error = failure(url)
    assert re.fullmatch(r"the connection to 127\.0\.0\.1:[0-9]+ failed", error.message)


def test_a_server_without_tls_is_told(server: FakeSts) -> None:
    """The hint is the scheme."""
    error = failure(server.url.replace("http:", "https:"))
    assert "TLS with 127.0.0.1" in error.message


def test_a_name_that_does_not_exist_is_told() -> None:
    """Found wanting before any network is asked: no label has 64 letters."""
    error = failure(f"https://{'a' * 64}.invalid/")
    assert "was not found" in error.message or "is no host name" in error.message


def test_a_header_that_http_forbids_is_not_quoted() -> None:
    """The libraries below would show the whole of it."""
    error = failure("https://broker.example.com", headers={"authorization": f"{SECRET}\r\nx: y"})
    assert "authorization" in error.message
    assert not any(SECRET in repr(link) for link in chain(error))


@pytest.mark.parametrize(
    "url",
    [
        "http://broker.example.com/x",
        "http://10.0.0.1/",
        "http://localhost.example.com/",
        "ftp://127.0.0.1/",
        "broker.example.com",
        "https://",
        "https://[::1",
        "https://broker.example.com:99999/",
        "https://user:very-secret@broker.example.com/",
        "https://broker.example.com/\x00",
    ],
)
def test_a_url_that_must_not_be_used_is_the_configuration_s_mistake(url: str) -> None:
    """Clear text leaves this machine in no case, and a URL carries no password."""
    with pytest.raises(ConfigError) as refusal:
        send(url)
    assert not any(SECRET in repr(link) for link in chain(refusal.value))


def test_another_user_s_listener_gets_nothing(server: FakeSts) -> None:
    """Whoever took the port first must not get the token."""
    error = failure(server.url, transport={"listener_uid": lambda host, port: 4242})
    assert "belongs to another user (uid 4242)" in error.message
    assert server.requests == []


@pytest.mark.parametrize("uid", [None, 0, os.getuid()])
def test_our_own_and_root_s_listeners_get_the_request(server: FakeSts, uid: int | None) -> None:
    """And so does one of which the machine tells nothing."""
    assert send(server.url, transport={"listener_uid": lambda host, port: uid}).status == 200


def test_both_addresses_of_localhost_are_asked_about(server: FakeSts) -> None:
    """The resolver may choose either."""
    asked: list[str] = []

    def note(host: str, port: int) -> None:
        asked.append(host)

    send(server.url.replace("127.0.0.1", "localhost"), transport={"listener_uid": note})
    assert asked == ["127.0.0.1", "::1"]


def test_loopback_takes_no_proxy(server: FakeSts, monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy elsewhere would get the token, and could not reach our loopback anyway."""
    with closed_port() as port:
        for name in ("HTTP_PROXY", "ALL_PROXY", "http_proxy", "all_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{port}")
        assert send(server.url).status == 200


def test_other_hosts_take_the_proxy_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many machines have no other way out; here the proxy is a closed port."""
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    with closed_port() as port:
        monkeypatch.setenv("HTTPS_PROXY", f"http://user:{SECRET}@127.0.0.1:{port}")
        error = failure("https://broker.invalid/")
    assert error.message == "nothing answers at broker.invalid"
    assert not any(SECRET in repr(link) for link in chain(error))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("HTTPS_PROXY", f"gopher://user:{SECRET}@proxy.example.com"),
        ("HTTPS_PROXY", f"http://user:{SECRET}@proxy:port"),
        ("SSL_CERT_FILE", "/does/not/exist.pem"),
    ],
)
def test_an_environment_that_cannot_be_used_is_told(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    """Without the proxy's URL, which may hold a password."""
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError, match="settings in the environment") as refusal:
        send("https://broker.invalid/")
    assert SECRET not in repr(refusal.value) + repr(refusal.value.__cause__)


def test_the_logs_of_the_libraries_hold_no_secret(
    server: FakeSts, caplog: pytest.LogCaptureFixture
) -> None:
    """They tell method and URL at most, at every level."""
    caplog.set_level(logging.DEBUG)
    send(server.url, form={"token": SECRET}, headers={"authorization": f"Bearer {SECRET}"})
    assert caplog.records
    assert SECRET not in caplog.text


def test_httpx_is_not_imported_before_the_first_request() -> None:
    """A daemon that starts with kept leases must not wait for it."""
    check = "import sys, agentkeys.transport, agentkeys.sts; sys.exit('httpx' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0
