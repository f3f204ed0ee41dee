"""The endpoint's socket: new, had again after a crash, or handed on by the daemon before."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from agentkeys_daemon.endpoint import EndpointUnavailable, adopt, listen


@pytest.fixture
def listening() -> Iterator[socket.socket]:
    with listen() as made:
        yield made


def test_it_listens_on_this_machine_alone(listening: socket.socket) -> None:
    """And no child inherits it."""
    address, port = listening.getsockname()
    assert address == "127.0.0.1"
    assert port > 1024
    assert not listening.get_inheritable()
    with socket.create_connection(("127.0.0.1", port)):
        pass


def test_its_port_is_none_of_those_that_connections_get(listening: socket.socket) -> None:
    """Where the system leaves any: after a crash it has to be free."""
    limits = Path("/proc/sys/net/ipv4/ip_local_port_range").read_text(encoding="ascii")
    last = int(limits.split()[1])
    if last <= 65_000:
        assert listening.getsockname()[1] > last


def test_a_port_can_be_had_again_at_once(listening: socket.socket) -> None:
    """Although connections to it have just been closed by us."""
    port = listening.getsockname()[1]
    with socket.create_connection(("127.0.0.1", port)) as client:
        listening.setblocking(True)
        listening.accept()[0].close()
        assert client.recv(1) == b""
    listening.close()
    with listen(port) as again:
        assert again.getsockname()[1] == port


def test_a_port_that_answers_is_not_taken_over(listening: socket.socket) -> None:
    """Whoever has it: one of ours would have handed it on."""
    port = listening.getsockname()[1]
    with pytest.raises(EndpointUnavailable) as caught:
        listen(port)
    assert caught.value.code == "endpoint_unavailable"
    assert caught.value.message == f"nothing can listen on 127.0.0.1:{port}: Address already in use"
    assert caught.value.hint


@pytest.mark.parametrize("port", [-1, 65_536])
def test_a_number_that_is_no_port_is_an_error_of_ours(port: int) -> None:
    """It comes from a file."""
    with pytest.raises(EndpointUnavailable):
        listen(port)


def test_a_socket_is_adopted_as_it_is(listening: socket.socket) -> None:
    """With whoever waits in its queue, and again for no child to inherit."""
    with socket.create_connection(listening.getsockname()) as client:
        inherited = os.dup(listening.fileno())
        os.set_inheritable(inherited, True)
        listening.close()
        with adopt(inherited) as adopted:
            assert not adopted.get_inheritable()
            assert adopted.fileno() == inherited
            connection, peer = adopted.accept()
            with connection:
                assert peer == client.getsockname()


def test_nothing_else_is_adopted(tmp_path: Path) -> None:
    """And whatever it is stays open."""
    with (
        socket.socket() as idle,
        socket.create_server(("127.0.0.2", 0)) as elsewhere,
        socket.socket(socket.AF_UNIX) as local,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams,
        (tmp_path / "file").open("w") as file,
    ):
        local.bind(str(tmp_path / "socket"))
        local.listen()
        idle.bind(("127.0.0.1", 0))
        for other in (idle, elsewhere, local, datagrams, file):
            with pytest.raises(EndpointUnavailable) as caught:
                adopt(other.fileno())
            assert caught.value.hint
            os.fstat(other.fileno())


def test_a_descriptor_that_is_closed_is_not_adopted() -> None:
    """It comes from a variable."""
    descriptor = os.dup(0)
    os.close(descriptor)
    for number in (descriptor, -1):
        with pytest.raises(EndpointUnavailable):
            adopt(number)


@pytest.mark.parametrize("is_adopted", [False, True])
def test_no_half_of_an_answer_waits_for_the_other(
    listening: socket.socket, is_adopted: bool
) -> None:
    """Head and body leave at once: waiting for an acknowledgement takes 40 ms."""

    async def accepted() -> int:
        loop = asyncio.get_running_loop()
        connection: asyncio.Future[asyncio.StreamWriter] = loop.create_future()
        served = adopt(os.dup(listening.fileno())) if is_adopted else listening.dup()
        async with await asyncio.start_server(lambda _, it: connection.set_result(it), sock=served):
            _, client = await asyncio.open_connection(*listening.getsockname())
            server = await connection
            option: int = server.get_extra_info("socket").getsockopt(
                socket.IPPROTO_TCP, socket.TCP_NODELAY
            )
            for writer in (server, client):
                writer.close()
                await writer.wait_closed()
        return option

    assert asyncio.run(accepted())
