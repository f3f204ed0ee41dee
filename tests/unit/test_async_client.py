"""Both ways of asking the daemon fail alike."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from agentkeys.async_client import AT_ONCE, request_async
from agentkeys.client import MAX_ANSWER, Response, request
from agentkeys.errors import DaemonNotRunning, DaemonTimeout, PeerRefused, ProtocolError
from tests.fakes.scripted_daemon import ScriptedDaemon, http_answer

Ask = Callable[..., Response]


def blocking(path: Path, *, seconds: float = 10.0, starting: bool = False) -> Response:
    environ = {"AGENTKEYS_SOCKET": str(path)}
    end = time.monotonic() + seconds
    return request("GET", "/v1/health", environ=environ, deadline=end, starting=starting)


def awaited(path: Path, *, seconds: float = 10.0, starting: bool = False) -> Response:
    environ = {"AGENTKEYS_SOCKET": str(path)}
    return asyncio.run(
        request_async("GET", "/v1/health", environ=environ, seconds=seconds, starting=starting)
    )


@pytest.fixture(params=[blocking, awaited], ids=["blocking", "awaited"])
def ask(request: pytest.FixtureRequest) -> Ask:
    found: Ask = request.param
    return found


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run" / "daemon.sock"


def test_an_answer_is_taken_whatever_its_status(ask: Ask, path: Path) -> None:
    """A refusal too is an answer."""
    with ScriptedDaemon(path, http_answer(b"{}", status=403)):
        answer = ask(path)
    assert (answer.status, answer.body) == (403, b"{}")


def test_nobody_at_the_socket_means_no_daemon(ask: Ask, path: Path) -> None:
    """Said at once."""
    with pytest.raises(DaemonNotRunning, match="no daemon is running"):
        ask(path)


def test_a_daemon_that_starts_is_waited_for(ask: Ask, path: Path) -> None:
    """Its socket is there a little later."""
    daemon: list[ScriptedDaemon] = []

    def start() -> None:
        daemon.append(ScriptedDaemon(path, http_answer(b"{}")).__enter__())

    timer = threading.Timer(0.1, start)
    timer.start()
    try:
        assert ask(path, starting=True).status == 200
    finally:
        timer.join()
        daemon[0].__exit__(None, None, None)


def test_a_socket_that_is_not_ours_is_refused(ask: Ask, path: Path) -> None:
    """Another user's credentials are not taken for one's own."""
    path.parent.mkdir()
    path.write_text("no socket", encoding="ascii")
    with pytest.raises((DaemonNotRunning, PeerRefused)):
        ask(path)


def test_a_silent_daemon_is_given_up(ask: Ask, path: Path) -> None:
    """After the time that was given."""
    with (
        ScriptedDaemon(path, None),
        pytest.raises(DaemonTimeout, match="did not answer in time"),
    ):
        ask(path, seconds=0.2)


def test_a_daemon_that_hangs_up_has_ended(ask: Ask, path: Path) -> None:
    """Asking again can help."""
    with (
        ScriptedDaemon(path, b""),
        pytest.raises(DaemonNotRunning, match="ended before it answered") as caught,
    ):
        ask(path)
    assert caught.value.retryable


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        pytest.param(http_answer(b"{}", length=3), "broke off", id="half of one"),
        pytest.param(http_answer(b"{}", protocol=2), "another version", id="another version"),
        pytest.param(b"220 mail.example.com\r\n", "broke off", id="no HTTP"),
        pytest.param(http_answer(b"x" * (MAX_ANSWER + 1)), "broke off", id="too long"),
    ],
)
def test_an_answer_that_is_none_is_refused(ask: Ask, path: Path, answer: bytes, words: str) -> None:
    """Half a document must never reach an SDK."""
    with ScriptedDaemon(path, answer), pytest.raises(ProtocolError, match=words):
        ask(path)


# what only the awaited one can be asked


def test_an_await_can_be_cancelled(path: Path) -> None:
    """At once: nothing is left that waits, no thread and no connection."""

    async def give_up(daemon: ScriptedDaemon) -> None:
        environ = {"AGENTKEYS_SOCKET": str(path)}
        asking = asyncio.create_task(
            request_async("GET", "/v1/health", environ=environ, seconds=60)
        )
        await asyncio.to_thread(daemon.wait_for_open, 1)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking

    with ScriptedDaemon(path, None) as daemon:
        asyncio.run(give_up(daemon))
        daemon.wait_for_open(0)


def test_a_crowd_takes_few_connections(path: Path) -> None:
    """Those that find no place wait for one, and for no longer than they said."""

    async def crowd() -> list[BaseException | Response]:
        environ = {"AGENTKEYS_SOCKET": str(path)}
        asks = [
            request_async("GET", "/v1/health", environ=environ, seconds=0.5) for _ in range(500)
        ]
        return await asyncio.gather(*asks, return_exceptions=True)

    with ScriptedDaemon(path, None) as daemon:
        begun = time.monotonic()
        answers = asyncio.run(crowd())
        assert time.monotonic() - begun < 10
    assert {type(answer) for answer in answers} == {DaemonTimeout}
    assert daemon.most_open == AT_ONCE


def test_the_loop_goes_on_meanwhile(path: Path) -> None:
    """Others run while it waits."""

    async def tick() -> int:
        environ = {"AGENTKEYS_SOCKET": str(path)}
        asking = asyncio.create_task(
            request_async("GET", "/v1/health", environ=environ, seconds=0.3)
        )
        ticks = 0
        while not asking.done():
            await asyncio.sleep(0)
            ticks += 1
        assert isinstance(asking.exception(), DaemonTimeout)
        return ticks

    with ScriptedDaemon(path, None):
        assert asyncio.run(tick()) > 100
