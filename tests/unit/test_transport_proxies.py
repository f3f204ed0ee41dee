"""Proxies come from the environment, and count for other machines alone."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from agentkeys.clock import SystemClock
from agentkeys.transport import Answer, Transport, TransportError
from tests.fakes.sts import FakeSts
from tests.support.authority import Authority
from tests.support.connect_proxy import ConnectProxy

HOST = "broker.example.test"
SECRET = "very-secret"
VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of the machine that the tests run on are no part of them."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def server(authority: Authority) -> Iterator[FakeSts]:
    """One that is far away: only the proxy knows how to get there."""
    with FakeSts().speak_tls(authority.server(HOST)) as running:
        yield running


@pytest.fixture
def proxy(server: FakeSts) -> Iterator[ConnectProxy]:
    with ConnectProxy(server.url) as running:
        yield running


def send(url: str, authority: Authority) -> Answer:
    async def once() -> Answer:
        async with Transport(clock=SystemClock()).trusting(authority.file) as transport:
            headers = {"authorization": f"Bearer {SECRET}"}
            return await transport.send("POST", url, headers=headers, form={"token": SECRET})

    return asyncio.run(once())


@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"])
def test_another_machine_is_reached_through_the_proxy(
    server: FakeSts,
    proxy: ConnectProxy,
    authority: Authority,
    monkeypatch: pytest.MonkeyPatch,
    variable: str,
) -> None:
    """Which sees the host's name, and nothing of what is sent there."""
    monkeypatch.setenv(variable, proxy.url)
    assert send(f"https://{HOST}/v1/mint", authority).status == 200
    assert server.requests[0].form == {"token": SECRET}
    assert proxy.tunnels == [f"{HOST}:443"]
    assert SECRET not in "".join(proxy.heads)
    assert "/v1/mint" not in "".join(proxy.heads)


@pytest.mark.parametrize("exempt", [HOST, ".example.test", "example.test", "*"])
def test_an_exempt_machine_is_not_reached_through_the_proxy(
    proxy: ConnectProxy, authority: Authority, monkeypatch: pytest.MonkeyPatch, exempt: str
) -> None:
    """NO_PROXY has its way; here nobody else knows the name."""
    monkeypatch.setenv("HTTPS_PROXY", proxy.url)
    monkeypatch.setenv("NO_PROXY", exempt)
    with pytest.raises(TransportError):
        send(f"https://{HOST}/", authority)
    assert proxy.heads == []


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
@pytest.mark.parametrize("speaks_tls", [False, True])
def test_this_machine_is_never_reached_through_a_proxy(
    proxy: ConnectProxy,
    authority: Authority,
    monkeypatch: pytest.MonkeyPatch,
    host: str,
    *,
    speaks_tls: bool,
) -> None:
    """Whatever the variables say, in clear text or not."""
    for name in VARIABLES[:3]:
        monkeypatch.setenv(name, proxy.url)
    near = FakeSts()
    if speaks_tls:
        near.speak_tls(authority.server())
    with near:
        assert send(near.url.replace("127.0.0.1", host), authority).status == 200
    assert proxy.heads == []


def test_a_proxy_that_refuses_is_told_without_its_password(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor does it get anything else than the host's name."""
    with FakeSts() as refusing:
        refusing.answer_with(407, b"give me a password")
        address = refusing.url.replace("http://", f"http://user:{SECRET}@")
        monkeypatch.setenv("HTTPS_PROXY", address)
        with pytest.raises(TransportError, match=f"the connection to {HOST} failed") as failed:
            send(f"https://{HOST}/", authority)
    assert SECRET not in failed.value.message + str(failed.value.hint)
