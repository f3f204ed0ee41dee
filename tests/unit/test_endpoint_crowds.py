"""Many connections to the endpoint at once: programs that ask, and strangers that only connect."""

from __future__ import annotations

import asyncio
import resource
import socket
import time
from collections import Counter
from collections.abc import Iterator

import pytest

from agentkeys_daemon.endpoint import Limits
from tests.support.programs import PATIENCE
from tests.support.served_endpoint import RUN, ServedEndpoint, connect, until

CROWD = 1000
FEW = Limits(seconds=30, waiting=20)


@pytest.fixture(autouse=True)
def descriptors() -> Iterator[None]:
    """For both ends of all connections, as a daemon has them for its own."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(8192, hard), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_thousand_at_once_are_all_answered() -> None:
    """None is refused, none is hung up on."""
    with ServedEndpoint() as served:
        assert asyncio.run(_ask_together(served)) == Counter({200: CROWD})


def test_a_thousand_at_once_are_all_answered_while_a_mint_is_stuck() -> None:
    """In time, with when to come back."""
    with ServedEndpoint() as served:
        served.runs.moves.clear()
        begun = time.monotonic()
        assert asyncio.run(_ask_together(served)) == Counter({503: CROWD})
        assert time.monotonic() - begun < PATIENCE


def test_a_thousand_that_connect_and_say_nothing_hold_up_nobody() -> None:
    """Nor does one that asks have to wait for their end."""
    with ServedEndpoint() as served:
        strangers = [connect(served.port) for _ in range(CROWD)]
        assert served.ask().status == 200
        for stranger in strangers:
            stranger.close()


def test_who_has_waited_longest_makes_room() -> None:
    """A stranger who connects again and again keeps no program from asking."""
    with ServedEndpoint(limits=FEW) as served:
        strangers = [connect(served.port) for _ in range(50)]
        assert served.ask().status == 200
        first, last = strangers[0], strangers[-1]
        assert _is_hung_up_on(first)
        last.setblocking(False)
        with pytest.raises(BlockingIOError):
            last.recv(1)
        for stranger in strangers:
            stranger.close()


def test_who_has_asked_makes_no_room() -> None:
    """However long its answer takes."""
    with ServedEndpoint(limits=FEW) as served:
        served.runs.moves.clear()
        with served.asking(times=10) as answers:
            until(lambda: served.runs.asked == 10)
            strangers = [connect(served.port) for _ in range(50)]
            assert _is_hung_up_on(strangers[0])
        assert [answer.status for answer in answers] == [503] * 10
        for stranger in strangers:
            stranger.close()


async def _ask_together(served: ServedEndpoint) -> Counter[int]:
    """The statuses that come back on so many connections, all open before the first one asks."""
    connections = [await asyncio.open_connection("127.0.0.1", served.port) for _ in range(CROWD)]
    head = (
        f"GET /v1/runs/{RUN}/credentials HTTP/1.1\r\nHost: 127.0.0.1:{served.port}\r\n"
        f"Authorization: {served.token}\r\n\r\n"
    ).encode()
    for _, writer in connections:
        writer.write(head)
    statuses = Counter([int((await reader.read()).split(b" ", 2)[1]) for reader, _ in connections])
    for _, writer in connections:
        writer.close()
        await writer.wait_closed()
    return statuses


def _is_hung_up_on(connection: socket.socket) -> bool:
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True
