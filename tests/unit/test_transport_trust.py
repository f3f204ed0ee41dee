"""Whose certificates count: the system's authorities, or those of an identity's `ca_file`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from agentkeys.clock import SystemClock
from agentkeys.errors import ConfigError
from agentkeys.transport import Answer, Transport, TransportError
from tests.fakes.sts import FakeSts
from tests.support.authority import Authority
from tests.support.connect_proxy import ConnectProxy


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def other(tmp_path: Path) -> Authority:
    """One that has vouched for nobody here."""
    return Authority(tmp_path, "other")


@pytest.fixture
def server(authority: Authority) -> Iterator[FakeSts]:
    """One whose certificate is good for loopback."""
    with FakeSts().speak_tls(authority.server()) as running:
        yield running


def send(url: str, ca_file: Path | None = None) -> Answer:
    async def once() -> Answer:
        async with Transport(clock=SystemClock()).trusting(ca_file) as transport:
            return await transport.send("POST", url, form={"token": "t"})

    return asyncio.run(once())


def refusal(server: FakeSts, ca_file: Path | None = None, url: str = "") -> TransportError:
    """What is said of a certificate that is not taken, before anything was sent."""
    with pytest.raises(TransportError, match=r"the certificate of \S+ was not accepted") as failed:
        send(url or server.url, ca_file)
    assert server.requests == []
    assert "ca_file" in (failed.value.hint or "")
    return failed.value


def test_a_server_that_the_file_vouches_for_is_asked(server: FakeSts, authority: Authority) -> None:
    """A private authority is enough."""
    assert send(server.url, authority.file).status == 200


def test_a_server_that_the_file_does_not_vouch_for_gets_nothing(
    server: FakeSts, other: Authority
) -> None:
    """Not even if it is on this machine."""
    refusal(server, other.file)


def test_a_private_authority_counts_nowhere_by_itself(server: FakeSts) -> None:
    """Without ca_file it is the system that says who is trusted."""
    assert "self-signed" in refusal(server).message or "issuer" in refusal(server).message


def test_the_environment_s_authorities_count_without_a_file(
    server: FakeSts, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SSL_CERT_FILE stands for the system's, so for the store too."""
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    assert send(server.url).status == 200


def test_the_environment_s_authorities_do_not_count_beside_a_file(
    server: FakeSts, authority: Authority, other: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file says who is trusted instead of the system, and not as well."""
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    refusal(server, other.file)


def test_one_transport_keeps_its_trusts_apart(
    server: FakeSts, authority: Authority, other: Authority
) -> None:
    """A connection that one identity's file has vouched for is not used for another's."""

    async def story() -> None:
        async with Transport(clock=SystemClock()) as transport:
            trusting = transport.trusting(authority.file)
            assert (await trusting.send("POST", server.url)).status == 200
            for view in (transport, transport.trusting(other.file), trusting.trusting(None)):
                with pytest.raises(TransportError, match="was not accepted"):
                    await view.send("POST", server.url)
            assert (await trusting.send("POST", server.url)).status == 200

    asyncio.run(story())
    assert len(server.requests) == 2


def test_a_file_that_was_replaced_counts_from_then_on(
    server: FakeSts, authority: Authority, other: Authority, tmp_path: Path
) -> None:
    """Both ways, over connections that are already open, with nothing to be restarted."""
    file = tmp_path / "ca.pem"

    async def story() -> None:
        async with Transport(clock=SystemClock()).trusting(file) as transport:
            for authorities, is_trusted in ((authority, True), (other, False), (authority, True)):
                file.write_bytes(authorities.pem)
                if is_trusted:
                    assert (await transport.send("POST", server.url)).status == 200
                    continue
                with pytest.raises(TransportError, match="was not accepted"):
                    await transport.send("POST", server.url)

    asyncio.run(story())


def test_an_answer_under_way_survives_a_new_file(
    server: FakeSts, authority: Authority, other: Authority, tmp_path: Path
) -> None:
    """What was trusted when it was sent is waited for, whatever the file says meanwhile."""
    file = tmp_path / "ca.pem"
    file.write_bytes(authority.pem)

    async def story() -> Answer:
        async with Transport(clock=SystemClock()).trusting(file) as transport:
            server.hold()
            slow = asyncio.create_task(transport.send("POST", server.url))
            await asyncio.to_thread(server.wait_for_request)
            file.write_bytes(other.pem)
            with pytest.raises(TransportError, match="was not accepted"):
                await transport.send("POST", server.url)
            server.release()
            return await slow

    assert asyncio.run(story()).status == 200


def test_several_authorities_and_words_between_them_are_read(
    server: FakeSts, authority: Authority, other: Authority, tmp_path: Path
) -> None:
    """As bundles have them, in whatever language."""
    file = tmp_path / "bundle.pem"
    file.write_bytes("# Ämter\n".encode() + other.pem + b"\n# ours\n" + authority.pem)
    assert send(server.url, file).status == 200


def missing(file: Path) -> None:
    """Nothing is there."""


def folder(file: Path) -> None:
    file.mkdir()


def empty(file: Path) -> None:
    file.write_bytes(b" \n")


def no_certificate(file: Path) -> None:
    file.write_bytes(b"-----BEGIN NOTHING-----\n")


def broken(file: Path) -> None:
    file.write_bytes(b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")


def binary(file: Path) -> None:
    file.write_bytes(bytes(range(256)))


def in_a_circle(file: Path) -> None:
    file.symlink_to(file)


def endless(file: Path) -> None:
    file.symlink_to("/dev/zero")


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (missing, "does not exist"),
        (folder, "cannot be read (Is a directory)"),
        (in_a_circle, "cannot be read (Too many levels of symbolic links)"),
        (empty, "is empty"),
        (no_certificate, "holds no certificates that can be read"),
        (broken, "holds no certificates that can be read"),
        (binary, "holds no certificates that can be read"),
        (endless, "is longer than 4194304 bytes"),
    ],
)
def test_a_file_that_cannot_be_used_is_told(
    server: FakeSts, tmp_path: Path, make: Callable[[Path], None], why: str
) -> None:
    """By key, path and reason; the system's authorities never stand in for it."""
    file = tmp_path / "authorities.pem"
    make(file)
    with pytest.raises(ConfigError) as refused:
        send(server.url, file)
    assert refused.value.message == f"ca_file {file} {why}"
    assert server.requests == []


def test_a_certificate_for_another_name_is_refused(authority: Authority) -> None:
    """Whoever signed it."""
    with FakeSts().speak_tls(authority.server("broker.example.test")) as server:
        assert "not valid for '127.0.0.1'" in refusal(server, authority.file).message


def test_a_certificate_that_has_expired_is_refused(authority: Authority) -> None:
    """With the reason: the clock may be what is wrong."""
    with FakeSts().speak_tls(authority.server(ends_in=-timedelta(days=1))) as server:
        error = refusal(server, authority.file)
    assert error.message.endswith("was not accepted (certificate has expired)")
    assert "clock" in (error.hint or "")


@pytest.mark.parametrize("name", ["broker.example.test", "elsewhere.example.test"])
def test_names_are_checked_through_a_proxy_as_well(
    authority: Authority, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """It tunnels; who is at the other end is told by the certificate, and not by it."""
    for variable in ("NO_PROXY", "no_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(variable, raising=False)
    with (
        FakeSts().speak_tls(authority.server("broker.example.test")) as server,
        ConnectProxy(server.url) as proxy,
    ):
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        if name == "broker.example.test":
            assert send(f"https://{name}/", authority.file).status == 200
        else:
            refusal(server, authority.file, f"https://{name}/")
        assert proxy.tunnels == [f"{name}:443"]
