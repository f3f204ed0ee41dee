"""An STS on loopback that answers as one of the stores does, or as a test tells it to."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self
from urllib.parse import parse_qsl

from agentkeys.clock import Clock, SystemClock

__all__ = ["FakeSts", "RecordedRequest", "refusal_body", "success_body"]

NAMESPACE = ' xmlns="https://sts.amazonaws.com/doc/2011-06-15/"'
DEFAULT_SECONDS = 3600


@dataclass(frozen=True)
class RecordedRequest:
    method: str
    path: str
    headers: Mapping[str, str]
    """By lower-case name."""
    form: Mapping[str, str]


@dataclass(frozen=True)
class _Scripted:
    status: int
    body: bytes
    headers: Mapping[str, str]


def success_body(store: str, *, number: int, expires_at: datetime, subject: str = "agent") -> bytes:
    """Credentials in the dialect of `store`; `number` makes them different from others."""
    namespace = "" if store == "ceph" else NAMESPACE
    key_id = f"{number:019d}" if store == "ceph" else f"ASIA{number:016d}"
    fraction = f".{expires_at.microsecond:06d}000" if store == "ceph" else ""
    metadata = (
        ""
        if store == "ceph"
        else f"<ResponseMetadata><RequestId>request-{number}</RequestId></ResponseMetadata>"
    )
    return (
        f"<AssumeRoleWithWebIdentityResponse{namespace}><AssumeRoleWithWebIdentityResult>"
        f"<SubjectFromWebIdentityToken>{subject}</SubjectFromWebIdentityToken>"
        f"<Credentials><AccessKeyId>{key_id}</AccessKeyId>"
        f"<SecretAccessKey>secret-{number}</SecretAccessKey>"
        f"<SessionToken>session-{number}</SessionToken>"
        f"<Expiration>{expires_at:%Y-%m-%dT%H:%M:%S}{fraction}Z</Expiration></Credentials>"
        f"</AssumeRoleWithWebIdentityResult>{metadata}</AssumeRoleWithWebIdentityResponse>"
    ).encode()


def refusal_body(store: str, code: str, message: str = "") -> bytes:
    """A refusal in the dialect of `store`."""
    if store == "ceph":
        return (
            f"<Error><Code>{code}</Code><Message/><RequestId>request</RequestId></Error>".encode()
        )
    return (
        f"<ErrorResponse{NAMESPACE}><Error><Type>Sender</Type><Code>{code}</Code>"
        f"<Message>{message}</Message></Error><RequestId>request</RequestId></ErrorResponse>"
    ).encode()


class FakeSts:
    """Runs while its `with` block does; `url` is where, `requests` what arrived so far.

    Without a script every request gets fresh credentials that live as long as it asked for, or
    `longest` where that is less. The times it tells are those of `clock`.
    """

    def __init__(
        self, store: str = "aws", *, clock: Clock | None = None, longest: timedelta | None = None
    ) -> None:
        self.store = store
        self.clock = clock or SystemClock()
        self._longest = longest or timedelta.max
        self.requests: list[RecordedRequest] = []
        self._script: deque[_Scripted] = deque()
        self._lock = threading.Lock()
        self._open = threading.Event()
        self._open.set()
        self._arrived = threading.Semaphore(0)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler(), False)
        self._server.request_queue_size = 128
        self._server.daemon_threads = True
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
        )

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/"

    def answer_with(
        self, status: int, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> None:
        """One of the next requests, in the order of these calls, gets this answer."""
        self._script.append(_Scripted(status, body, headers or {}))

    def refuse_with(self, status: int, code: str, message: str = "") -> None:
        """One of the next requests is refused, in the store's dialect."""
        self.answer_with(status, refusal_body(self.store, code, message))

    @contextmanager
    def stuck(self) -> Iterator[None]:
        """Requests arrive and are recorded, but get no answer before the block ends."""
        self._open.clear()
        try:
            yield
        finally:
            self._open.set()

    def wait_for_request(self, timeout: float = 10.0) -> None:
        """Returns when one more request has arrived."""
        if not self._arrived.acquire(timeout=timeout):
            raise AssertionError("no request arrived")

    def __enter__(self) -> Self:
        self._server.server_bind()
        self._server.server_activate()
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._open.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _take(self, request: RecordedRequest) -> _Scripted:
        with self._lock:
            self.requests.append(request)
            number = len(self.requests)
            scripted = self._script.popleft() if self._script else None
        self._arrived.release()
        self._open.wait()
        return scripted or self._credentials(request, number)

    def _credentials(self, request: RecordedRequest, number: int) -> _Scripted:
        seconds = int(request.form.get("DurationSeconds", DEFAULT_SECONDS))
        expires_at = self.clock.now() + min(timedelta(seconds=seconds), self._longest)
        body = success_body(self.store, number=number, expires_at=expires_at)
        return _Scripted(200, body, {"Content-Type": "text/xml"})

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        sts = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                answer = sts._take(
                    RecordedRequest(
                        method=self.command,
                        path=self.path,
                        headers={name.lower(): value for name, value in self.headers.items()},
                        form=dict(parse_qsl(body.decode(), keep_blank_values=True)),
                    )
                )
                self._write(answer)

            do_GET = do_POST  # noqa: N815 - its name

            def _write(self, answer: _Scripted) -> None:
                try:
                    self.send_response(answer.status)
                    for name, value in answer.headers.items():
                        self.send_header(name, value)
                    self.send_header("Content-Length", str(len(answer.body)))
                    self.end_headers()
                    self.wfile.write(answer.body)
                except ConnectionError:
                    pass  # the client did not wait

            def date_time_string(self, timestamp: float | None = None) -> str:
                return super().date_time_string(timestamp or sts.clock.now().timestamp())

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name
                pass

        return Handler
