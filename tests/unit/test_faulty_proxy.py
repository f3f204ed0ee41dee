"""The proxy that the tests of failures rely on fails exactly as it is told to."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import httpx
import pytest

from agentkeys.sts.document import MalformedDocument, parse_document
from tests.fakes.broker import MINT, FakeBroker
from tests.fakes.sts import FakeSts
from tests.support.faults import (
    BROKER_FAULTS,
    PASS,
    STS_FAULTS,
    Delay,
    Drop,
    Fault,
    Garbage,
    Reset,
    Truncate,
)
from tests.support.faulty_proxy import FaultyProxy

HEALTH = "/healthz"
PATIENCE = 30.0


@pytest.fixture
def broker() -> Iterator[FakeBroker]:
    with FakeBroker() as running:
        yield running


@pytest.fixture
def proxy(broker: FakeBroker) -> Iterator[FaultyProxy]:
    with FaultyProxy(broker.url) as running:
        yield running


@pytest.fixture
def client(proxy: FaultyProxy) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=proxy.url, timeout=PATIENCE, trust_env=False) as opened:
        yield opened


def port_of(proxy: FaultyProxy) -> int:
    return httpx.URL(proxy.url).port or 0


def raw_answer(proxy: FaultyProxy) -> bytes:
    """All that comes before the end of the connection."""
    with socket.create_connection(("127.0.0.1", port_of(proxy)), PATIENCE) as connection:
        connection.sendall(f"GET {HEALTH} HTTP/1.1\r\nhost: x\r\n\r\n".encode())
        received = b""
        while piece := connection.recv(65_536):
            received += piece
    return received


# when nothing is wrong


def test_at_first_everything_passes(
    proxy: FaultyProxy, client: httpx.Client, broker: FakeBroker
) -> None:
    """Method, path, headers and body one way, status, headers and body the other."""
    bearer = {"Authorization": f"Bearer {broker.session_jwt()}"}
    answer = client.post(MINT, json={"a": 1}, headers=bearer)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.json()["wallet"] == broker.users[0].wallet
    (arrived,) = broker.requests
    assert (arrived.method, arrived.path, arrived.body) == ("POST", MINT, {"a": 1})
    assert arrived.headers["authorization"] == bearer["Authorization"]
    assert [(each.method, each.path, each.fault) for each in proxy.handled] == [
        ("POST", MINT, "pass")
    ]


def test_the_path_of_what_is_behind_it_is_kept() -> None:
    """An STS is at its own address, slash and all."""
    with FakeSts() as sts, FaultyProxy(sts.url) as proxy:
        answer = httpx.post(proxy.url, data={"DurationSeconds": "900"}, trust_env=False)
        assert answer.status_code == 200
        assert sts.requests[0].form == {"DurationSeconds": "900"}
        assert sts.requests[0].path == "/"


def test_many_at_once_all_pass(proxy: FaultyProxy, client: httpx.Client) -> None:
    """None waits for another."""
    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(lambda _: client.get(HEALTH).status_code, range(200)))
    assert answers == [200] * 200
    assert proxy.met("pass") == proxy.requests == 200


# each fault


def test_a_late_answer_is_the_real_one(proxy: FaultyProxy, client: httpx.Client) -> None:
    """And it comes no sooner than told."""
    proxy.play(Delay(0.3))
    answer = client.get(HEALTH)
    assert answer.text == "ok"
    assert answer.elapsed.total_seconds() >= 0.3
    assert proxy.met("delay") == 1


def test_a_dropped_request_is_answered_once_released(
    proxy: FaultyProxy, client: httpx.Client, broker: FakeBroker
) -> None:
    """Until then it does not reach the server behind."""
    proxy.play(Drop())
    with pytest.raises(httpx.ReadTimeout):
        client.get(HEALTH, timeout=0.2)
    assert proxy.met("drop") == 1
    assert not broker.requests
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(client.get, HEALTH)
        wait_for_requests(proxy, 2)
        proxy.mend()
        assert asked.result().text == "ok"
    assert client.get(HEALTH).text == "ok"
    assert len(broker.requests) == 2


def test_a_dropped_request_ends_with_the_proxy(broker: FakeBroker) -> None:
    """Nothing of it is left to wait for."""
    with ThreadPoolExecutor(1) as pool:
        with FaultyProxy(broker.url) as proxy:
            proxy.play(Drop())
            asked = pool.submit(raw_answer, proxy)
            wait_for_requests(proxy, 1)
        with suppress(ConnectionError):
            assert asked.result() == b""


def test_a_reset_comes_before_any_answer(proxy: FaultyProxy, broker: FakeBroker) -> None:
    """And what was asked has not been done."""
    proxy.play(Reset())
    with pytest.raises(ConnectionResetError):
        raw_answer(proxy)
    assert proxy.met("reset") == 1
    assert not broker.requests


def test_a_reset_midway_comes_after_half_an_answer(proxy: FaultyProxy, broker: FakeBroker) -> None:
    """What was asked has been done, but nobody gets to know."""
    proxy.play(Reset(midway=True))
    with pytest.raises(ConnectionResetError):
        raw_answer(proxy)
    assert len(broker.requests) == 1


def test_a_truncated_answer_lacks_half_its_body(proxy: FaultyProxy, client: httpx.Client) -> None:
    """Its length promises the whole."""
    proxy.play(Truncate())
    head, _, body = raw_answer(proxy).partition(b"\r\n\r\n")
    assert b"content-length: 2" in head.lower()
    assert body == b"o"
    with pytest.raises(httpx.RemoteProtocolError):
        client.get(HEALTH)


def test_a_refused_connection_is_refused_until_it_listens_again(
    proxy: FaultyProxy, client: httpx.Client
) -> None:
    """At the same address, which nobody else can take meanwhile."""
    for _ in range(3):
        proxy.refuse()
        with pytest.raises(httpx.ConnectError):
            client.get(HEALTH)
        with socket.socket() as other, pytest.raises(OSError, match="in use"):
            other.bind(("127.0.0.1", port_of(proxy)))
        proxy.mend()
        assert client.get(HEALTH).text == "ok"
    assert proxy.requests == 3


@pytest.mark.parametrize("status", [400, 401, 403, 429, 500, 503])
def test_a_broker_refuses_in_its_own_words(
    proxy: FaultyProxy, client: httpx.Client, broker: FakeBroker, status: int
) -> None:
    """With its envelope, or without one where something in front of it answers."""
    proxy.play(BROKER_FAULTS[f"{status}"])
    answer = client.post(MINT)
    assert answer.status_code == status
    assert answer.headers.get("retry-after") == ("1" if status == 429 else None)
    if status != 503:
        assert list(answer.json()) == ["error", "message"]
    assert not broker.requests


@pytest.mark.parametrize("status", [400, 401, 403, 429, 500, 503])
def test_an_sts_refuses_in_its_own_words(status: int) -> None:
    """With the document of its API, or without one where something in front of it answers."""
    with FakeSts() as sts, FaultyProxy(sts.url) as proxy:
        proxy.play(STS_FAULTS[f"{status}"])
        answer = httpx.post(proxy.url, trust_env=False)
        assert answer.status_code == status
        assert answer.headers.get("retry-after") == ("1" if status == 429 else None)
        if status != 503:
            assert parse_document(answer.content).tag.endswith("ErrorResponse")
        assert not sts.requests


def test_a_page_says_200_and_is_no_answer(proxy: FaultyProxy, client: httpx.Client) -> None:
    """As the sign-in page of a network does."""
    proxy.play(BROKER_FAULTS["page"])
    answer = client.post(MINT)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html"


def test_a_malformed_answer_is_cut_in_its_text(proxy: FaultyProxy, client: httpx.Client) -> None:
    """Its length is right, so that only reading it tells."""
    proxy.play(BROKER_FAULTS["malformed"])
    answer = client.post(MINT)
    assert int(answer.headers["content-length"]) == len(answer.content)
    with pytest.raises(json.JSONDecodeError):
        answer.json()
    proxy.play(STS_FAULTS["malformed"])
    with pytest.raises(MalformedDocument):
        parse_document(client.post(MINT).content)


@pytest.mark.parametrize("faults", [BROKER_FAULTS, STS_FAULTS])
def test_a_huge_answer_is_megabytes(
    proxy: FaultyProxy, client: httpx.Client, faults: Mapping[str, Fault]
) -> None:
    """And well-formed, if anybody read it."""
    proxy.play(faults["huge"])
    assert len(client.post(MINT).content) > 4_000_000


def test_a_client_need_not_read_a_huge_answer(proxy: FaultyProxy) -> None:
    """The proxy goes on, and ends when it is told to."""
    proxy.play(BROKER_FAULTS["huge"])
    with socket.create_connection(("127.0.0.1", port_of(proxy)), PATIENCE) as connection:
        connection.sendall(f"GET {HEALTH} HTTP/1.1\r\n\r\n".encode())
        assert connection.recv(100)
        proxy.play(PASS)
        assert raw_answer(proxy).endswith(b"ok")


def test_garbage_is_no_http(proxy: FaultyProxy, client: httpx.Client) -> None:
    """From the first byte on."""
    proxy.play(Garbage())
    with pytest.raises(httpx.RemoteProtocolError):
        client.get(HEALTH)


# more than one fault


def test_flipping_lets_every_other_request_pass(proxy: FaultyProxy, client: httpx.Client) -> None:
    """The faults take turns in between."""
    proxy.flip(BROKER_FAULTS["500"], BROKER_FAULTS["403"])
    answers = [client.get(HEALTH).status_code for _ in range(6)]
    assert answers == [200, 500, 200, 403, 200, 500]
    assert [each.fault for each in proxy.handled] == ["pass", "500", "pass", "403", "pass", "500"]


def test_a_draw_is_the_same_for_the_same_seed(proxy: FaultyProxy, client: httpx.Client) -> None:
    """And it draws each of its faults at some time."""
    faults = PASS, BROKER_FAULTS["500"], BROKER_FAULTS["page"]
    draws = []
    for _ in range(2):
        proxy.draw(*faults, seed=7)
        draws.append([client.get(HEALTH).status_code for _ in range(20)])
    assert draws[0] == draws[1]
    assert {each.fault for each in proxy.handled} == {fault.name for fault in faults}


def test_every_fault_can_be_played_and_mended(proxy: FaultyProxy, client: httpx.Client) -> None:
    """Whatever was played, the next request after `mend` passes."""
    for name, fault in BROKER_FAULTS.items():
        proxy.play(fault)
        with suppress(httpx.HTTPError):
            client.get(HEALTH, timeout=0.3)
        assert proxy.met(name) == 1
        proxy.mend()
        assert client.get(HEALTH).text == "ok"


def wait_for_requests(proxy: FaultyProxy, count: int) -> None:
    """Returns when so many have arrived."""
    tick = threading.Event()
    for _ in range(3000):
        if proxy.requests >= count:
            return
        tick.wait(0.01)
    raise AssertionError(f"{proxy.requests} requests arrived, not {count}")
