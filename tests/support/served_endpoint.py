"""An endpoint that serves in a thread, for clients that know nothing of asyncio."""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any, Self, TypeVar

from agentkeys_daemon.endpoint import Endpoint, Limits, listen
from tests.fakes.endpoint_runs import FakeRuns
from tests.support.programs import PATIENCE
from tests.support.raw_http import RawAnswer, parse_answer

__all__ = ["MINT", "RUN", "ServedEndpoint", "connect", "converse", "read_to_the_end", "until"]

RUN = "abcdefghij234567"
MINT = "/v1/mint-aws-creds"
T = TypeVar("T")


class ServedEndpoint:
    """One run with its token, behind an endpoint; leave its `with` to end both.

    Leaving also asserts that nothing went wrong unseen.
    """

    def __init__(self, *, limits: Limits | None = None) -> None:
        self._limits = limits
        self._complaints = _Complaints()
        self._ready = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._live)

    def __enter__(self) -> Self:
        logging.getLogger().addHandler(self._complaints)
        self._thread.start()
        self.runs, self.endpoint = self.do(self._start)
        self.begin()
        return self

    def __exit__(self, *exception: object) -> None:
        self.do(self.endpoint.stop)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive()
        self._loop.close()
        logging.getLogger().removeHandler(self._complaints)
        if exception[0] is None:
            assert self._complaints.heard == []

    def begin(self) -> None:
        """The run anew, with all as it is at first."""
        self.do(self.runs.reset)
        self.token = self.runs.begin(RUN).reveal()

    @property
    def port(self) -> int:
        port = self.endpoint.port
        assert port
        return port

    @property
    def url(self) -> str:
        return self.endpoint.url(RUN)

    def do(self, work: Callable[[], Awaitable[T]]) -> T:
        """What `work()` gives in the endpoint's own loop."""

        async def awaited() -> T:
            return await work()

        return asyncio.run_coroutine_threadsafe(awaited(), self._loop).result(PATIENCE)

    def ask(
        self,
        *,
        method: str = "GET",
        path: str = f"/v1/runs/{RUN}/credentials",
        token: str | None = None,
        host: str | None = None,
        more: str = "",
        body: bytes = b"",
    ) -> RawAnswer:
        """One request with the run's token and the right host, but for what is given."""
        head = (
            f"{method} {path} HTTP/1.1\r\n"
            f"Host: {host or f'127.0.0.1:{self.port}'}\r\n"
            f"Authorization: {self.token if token is None else token}\r\n{more}\r\n"
        )
        return parse_answer(self.converse(head.encode("latin-1") + body))

    def mint(
        self,
        *,
        method: str = "POST",
        path: str = MINT,
        bearer: str | None = None,
        host: str | None = None,
        more: str = "",
        body: bytes = b"",
    ) -> RawAnswer:
        """One request as at a broker, with the run's token unless another one is given."""
        sent = f"{more}Content-Length: {len(body)}\r\n" if body and "ength" not in more else more
        token = f"Bearer {self.token if bearer is None else bearer}"
        return self.ask(method=method, path=path, token=token, host=host, more=sent, body=body)

    def converse(self, sent: bytes) -> bytes:
        """All that comes back on a connection that sends `sent`."""
        return converse(self.port, sent)

    @contextmanager
    def asking(self, *, times: int = 1) -> Iterator[list[RawAnswer]]:
        """Requests under way during its `with`; their answers are there afterwards."""
        answers: list[RawAnswer] = []
        askers = [threading.Thread(target=lambda: answers.append(self.ask())) for _ in range(times)]
        for asker in askers:
            asker.start()
        yield answers
        for asker in askers:
            asker.join(PATIENCE)
        assert len(answers) == times

    async def _start(self) -> tuple[FakeRuns, Endpoint]:
        runs = FakeRuns()
        endpoint = Endpoint(runs=runs, limits=self._limits)
        endpoint.start(listen())
        return runs, endpoint

    def _live(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.set_exception_handler(self._complaints.unhandled)
        self._loop.run_forever()


class _Complaints(logging.Handler):
    """Whatever asyncio and the HTTP library would write where nobody wants to read it."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.heard: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if not record.name.startswith("agentkeys"):
            self.heard.append(record.getMessage())

    def unhandled(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        self.heard.append(str(context))


def connect(port: int) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port))
    connection.settimeout(PATIENCE)
    return connection


def converse(port: int, sent: bytes) -> bytes:
    """All that comes back on a connection that sends `sent`, until it is closed."""
    with connect(port) as connection:
        connection.sendall(sent)
        return read_to_the_end(connection)


def read_to_the_end(connection: socket.socket) -> bytes:
    """All that comes until the other side closes."""
    received = b""
    while piece := connection.recv(65_536):
        received += piece
    return received


def until(is_so: Callable[[], bool]) -> None:
    """Waits for what other threads bring about."""
    end = time.monotonic() + PATIENCE
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.001)
