"""How the endpoint begins and ends, and how the next daemon goes on with it."""

from __future__ import annotations

import asyncio
import socket

import pytest

from agentkeys_daemon.endpoint import Endpoint, EndpointUnavailable, adopt, listen
from tests.fakes.endpoint_runs import FakeRuns
from tests.support.raw_http import parse_answer
from tests.support.served_endpoint import RUN, ServedEndpoint, connect, read_to_the_end, until


def request(port: int, token: str) -> bytes:
    return (
        f"GET /v1/runs/{RUN}/credentials HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
        f"Authorization: {token}\r\n\r\n"
    ).encode()


def test_it_is_closed_until_it_is_started() -> None:
    """And a daemon that never needed it has nothing to end."""

    async def live() -> None:
        endpoint = Endpoint(runs=FakeRuns())
        assert endpoint.port is None
        await endpoint.stop()
        assert await endpoint.hand_on() is None

    asyncio.run(live())


def test_it_tells_its_port_and_where_a_run_asks() -> None:
    """By address, since some programs take no name."""
    with ServedEndpoint() as served:
        assert served.url == f"http://127.0.0.1:{served.port}/v1/runs/{RUN}/credentials"


def test_it_opens_once() -> None:
    """A second start would leave the first socket to nobody."""
    with ServedEndpoint() as served, listen() as other:

        async def start() -> None:
            served.endpoint.start(other)

        with pytest.raises(RuntimeError):
            served.do(start)


def test_after_its_end_nobody_is_let_in() -> None:
    """Until it is started again, at the same port if need be."""
    with ServedEndpoint() as served:
        port = served.port
        served.do(served.endpoint.stop)
        assert served.endpoint.port is None
        with pytest.raises(ConnectionRefusedError):
            connect(port)

        async def again() -> None:
            served.endpoint.start(listen(port))

        served.do(again)
        assert served.ask().status == 200
        with pytest.raises(EndpointUnavailable):
            listen(port)


def test_who_has_asked_before_the_end_is_answered() -> None:
    """Even where that takes its time."""
    with ServedEndpoint() as served:
        served.runs.moves.clear()
        with served.asking(times=20) as answers:
            until(lambda: served.runs.asked == 20)
            served.do(served.endpoint.stop)
        assert [answer.status for answer in answers] == [503] * 20


def test_who_only_connects_does_not_hold_up_the_end() -> None:
    """Nor who never reads, nor who was refused."""
    with ServedEndpoint() as served:
        port = served.port
        connections = [connect(port) for _ in range(4)]
        connections[1].sendall(b"GET ")
        connections[2].sendall(b"\0\r\n\r\n")
        connections[3].sendall(request(port, served.token))
        served.do(served.endpoint.stop)
        for connection in connections:
            connection.close()


def test_whoever_comes_while_it_is_handed_on_is_answered_by_the_next() -> None:
    """The port never refuses."""
    with ServedEndpoint() as served:
        port = served.port
        listening = served.do(served.endpoint.hand_on)
        assert listening
        assert served.endpoint.port is None
        with connect(port) as early:
            early.sendall(request(port, served.token))
            inherited = listening.detach()

            async def go_on() -> None:
                served.endpoint.start(adopt(inherited))

            served.do(go_on)
            assert served.port == port
            assert parse_answer(read_to_the_end(early)).status == 200
        assert served.ask().status == 200


def test_no_request_fails_while_it_is_handed_on_again_and_again() -> None:
    """Whenever it comes."""
    with ServedEndpoint() as served:
        port, token = served.port, served.token
        statuses: list[int] = []

        async def ask() -> None:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(request(port, token))
            statuses.append(int((await reader.read()).split(b" ", 2)[1]))
            writer.close()
            await writer.wait_closed()

        async def hand_on() -> None:
            listening = await served.endpoint.hand_on()
            assert isinstance(listening, socket.socket)
            served.endpoint.start(adopt(listening.detach()))

        def hand_on_five_times() -> None:
            for _ in range(5):
                served.do(hand_on)

        async def go_on_asking() -> None:
            handing = asyncio.create_task(asyncio.to_thread(hand_on_five_times))
            while not handing.done():
                await asyncio.gather(*(ask() for _ in range(5)))
            await handing

        asyncio.run(go_on_asking())
        assert statuses
        assert set(statuses) == {200}
