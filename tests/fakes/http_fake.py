"""What every fake server on loopback does: it runs, records what arrives, and answers as told."""

from __future__ import annotations

import json
import ssl
import sys
import threading
from abc import ABC, abstractmethod
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Generic, Self, TypeVar
from urllib.parse import parse_qsl

from agentkeys.clock import Clock, SystemClock

__all__ = ["FakeOfPaths", "FakeOfTurns", "HttpFake", "RecordedRequest", "Reply", "json_reply"]


@dataclass(frozen=True)
class RecordedRequest:
    """What arrived."""

    method: str
    target: str
    """As it was sent, with the query."""
    headers: Mapping[str, str]
    """By lower-case name."""
    content: bytes
    number: int
    """One more than were recorded before it."""

    @property
    def path(self) -> str:
        """All of the target: a query would be a mistake, and nothing is found there."""
        return self.target

    @property
    def form(self) -> dict[str, str]:
        """The content, if it is a form."""
        return dict(parse_qsl(self.content.decode(), keep_blank_values=True))


@dataclass(frozen=True)
class Reply:
    """What a server answers, all at once or in parts."""

    status: int
    body: bytes | Iterable[bytes]
    headers: Mapping[str, str] = field(default_factory=dict)


def json_reply(document: object, status: int = 200) -> Reply:
    """An answer that says it is JSON."""
    return Reply(status, _content(document), {"Content-Type": "application/json"})


Request = TypeVar("Request", bound=RecordedRequest)


class HttpFake(ABC, Generic[Request]):
    """Runs while its `with` block does; `origin` is where, `requests` what arrived so far.

    The times it tells are those of `clock`.
    """

    def __init__(self, request_type: type[Request], *, clock: Clock | None = None) -> None:
        self.clock = clock or SystemClock()
        self.requests: list[Request] = []
        self._request_type = request_type
        self._lock = threading.Lock()
        self._open = threading.Event()
        self._open.set()
        self._over = threading.Event()
        self._arrived = threading.Semaphore(0)
        self._scheme = "http"
        self._server = _Server(("127.0.0.1", 0), self._handler(), False)
        self._server.request_queue_size = 128
        self._server.daemon_threads = True
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
        )

    @property
    def origin(self) -> str:
        return f"{self._scheme}://127.0.0.1:{self._server.server_address[1]}"

    # What a test tells it to do.

    def speak_tls(self, context: ssl.SSLContext) -> Self:
        """It speaks TLS from the beginning on; itself."""
        self._scheme = "https"
        # The handshake is the handler's, so that one who fails at it keeps nobody waiting.
        self._server.socket = context.wrap_socket(
            self._server.socket, server_side=True, do_handshake_on_connect=False
        )
        return self

    def hold(self) -> None:
        """Requests arrive and are recorded, but get no answer before `release`."""
        self._open.clear()
        while self._arrived.acquire(blocking=False):
            pass

    def release(self) -> None:
        self._open.set()

    @contextmanager
    def stuck(self) -> Iterator[None]:
        """Requests arrive and are recorded, but get no answer before the block ends."""
        self.hold()
        try:
            yield
        finally:
            self.release()

    def wait_for_request(self, timeout: float = 10.0) -> None:
        """Returns when one more request has arrived; those from before a `hold` do not count."""
        if not self._arrived.acquire(timeout=timeout):
            raise AssertionError("no request arrived")

    # What makes it the server that it is.

    @abstractmethod
    def _scripted(self, request: Request) -> Reply | None:
        """What it was told to answer; nobody else is in here meanwhile."""

    @abstractmethod
    def _answer(self, request: Request) -> Reply:
        """What such a server answers."""

    # How it works.

    def __enter__(self) -> Self:
        self._server.server_bind()
        self._server.server_activate()
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._over.set()
        self.release()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _take(self, method: str, target: str, headers: Mapping[str, str], content: bytes) -> Reply:
        with self._lock:
            number = len(self.requests) + 1
            request = self._request_type(method, target, headers, content, number)
            self.requests.append(request)
            scripted = self._scripted(request)
        self._arrived.release()
        self._open.wait()
        return scripted or self._answer(request)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        fake = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                headers = {name.lower(): value for name, value in self.headers.items()}
                reply = fake._take(self.command, self.path, headers, content)
                with suppress(ConnectionError):  # the client did not wait
                    self._send(reply)

            do_GET = do_POST  # noqa: N815 - its name

            def _send(self, reply: Reply) -> None:
                self.send_response(reply.status)
                for name, value in reply.headers.items():
                    self.send_header(name, value)
                if isinstance(reply.body, bytes):
                    self.send_header("Content-Length", str(len(reply.body)))
                self.end_headers()
                for part in [reply.body] if isinstance(reply.body, bytes) else reply.body:
                    self.wfile.write(part)

            def date_time_string(self, timestamp: float | None = None) -> str:
                return super().date_time_string(timestamp or fake.clock.now().timestamp())

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name
                pass

        return Handler


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        if not isinstance(sys.exception(), ssl.SSLError | ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


class FakeOfTurns(HttpFake[Request]):
    """One that is told what to answer to the next requests, whatever they ask for."""

    def __init__(self, request_type: type[Request], *, clock: Clock | None = None) -> None:
        super().__init__(request_type, clock=clock)
        self._script: deque[Reply] = deque()

    def answer_with(
        self, status: int, body: object = b"", headers: Mapping[str, str] | None = None
    ) -> None:
        """One of the next requests, in the order of these calls, gets this; JSON unless bytes."""
        self._script.append(Reply(status, _content(body), headers or {}))

    def _scripted(self, request: Request) -> Reply | None:
        return self._script.popleft() if self._script else None


class FakeOfPaths(HttpFake[Request]):
    """One that is told what to answer to the next requests of a path, which is below `prefix`."""

    def __init__(
        self, request_type: type[Request], *, clock: Clock | None = None, prefix: str = ""
    ) -> None:
        super().__init__(request_type, clock=clock)
        self._prefix = prefix
        self._scripts: defaultdict[str, deque[Reply]] = defaultdict(deque)

    def answer_with(
        self,
        path: str,
        status: int,
        body: object = b"",
        headers: Mapping[str, str] | None = None,
        *,
        times: int = 1,
    ) -> None:
        """The next request to `path`, or the next few, gets this answer.

        A `body` other than bytes becomes JSON. Answers wait in the order of these calls.
        """
        self._tell(path, *[Reply(status, _content(body), headers or {})] * times)

    def requests_to(self, path: str) -> list[Request]:
        return [request for request in self.requests if request.path == self._prefix + path]

    def _tell(self, path: str, *replies: Reply) -> None:
        self._scripts[self._prefix + path].extend(replies)

    def _scripted(self, request: Request) -> Reply | None:
        script = self._scripts[request.path]
        return script.popleft() if script else None


def _content(body: object) -> bytes:
    return body if isinstance(body, bytes) else json.dumps(body).encode()
