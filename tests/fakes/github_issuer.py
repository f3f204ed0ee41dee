"""GitHub's id-token endpoint on loopback: signs for the job that asks, or answers as it is told."""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

from agentkeys.clock import Clock, SystemClock
from agentkeys.secret import Secret
from agentkeys.sessions import GithubSession
from tests.support.tokens import sign

__all__ = ["FakeGithub", "GithubRequest"]

ISSUER = "https://token.actions.githubusercontent.com"
PATH = "/abcd//idtoken/5c2f/7e1a"


@dataclass(frozen=True)
class GithubRequest:
    """What arrived."""

    path: str
    query: Mapping[str, list[str]]
    headers: Mapping[str, str]
    """By lower-case name."""


@dataclass(frozen=True)
class _Reply:
    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


class FakeGithub:
    """Runs while its `with` block does, and knows the jobs of `start_job` that are not over."""

    def __init__(self, *, clock: Clock | None = None) -> None:
        self.clock = clock or SystemClock()
        self.requests: list[GithubRequest] = []
        self._jobs: dict[str, str] = {}
        self._script: deque[_Reply] = deque()
        self._open = threading.Event()
        self._open.set()
        self._arrived = threading.Semaphore(0)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self), False)
        self._server.request_queue_size = 128
        self._server.daemon_threads = True
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
        )

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    # What a test tells it to do.

    def start_job(self, sub: str) -> GithubSession:
        """What a job's environment has, whose tokens say `sub`."""
        bearer = sign({"job": sub, "number": len(self._jobs)})
        self._jobs[bearer] = sub
        return GithubSession(f"{self.origin}{PATH}?api-version=2.0", Secret(bearer))

    def end_jobs(self) -> None:
        """All jobs so far are over."""
        self._jobs.clear()

    def answer_with(
        self, status: int, body: object = b"", headers: Mapping[str, str] | None = None
    ) -> None:
        """The next request gets this answer; JSON unless it is bytes."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        self._script.append(_Reply(status, content, headers or {}))

    def hold(self) -> None:
        """Requests arrive, and get no answer before `release`."""
        self._open.clear()
        while self._arrived.acquire(blocking=False):
            pass

    def release(self) -> None:
        self._open.set()

    def wait_for_request(self) -> None:
        """Returns when one more request has arrived."""
        if not self._arrived.acquire(timeout=10):
            raise AssertionError("no request arrived")

    # How it works.

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

    def take(self, request: GithubRequest) -> _Reply:
        self.requests.append(request)
        self._arrived.release()
        self._open.wait()
        return self._script.popleft() if self._script else self._answer(request)

    def _answer(self, request: GithubRequest) -> _Reply:
        scheme, _, bearer = request.headers.get("authorization", "").partition(" ")
        sub = self._jobs.get(bearer)
        if scheme.lower() != "bearer" or sub is None:
            return _Reply(401, b'{"message": "unauthorized"}')
        if request.path != PATH or request.query.get("api-version") != ["2.0"]:
            return _Reply(404, b"")
        [audience] = request.query.get("audience", ["https://github.com/an-owner"])
        token = sign(self._claims(sub, audience))
        return _Reply(200, json.dumps({"count": 1, "value": token}).encode())

    def _claims(self, sub: str, audience: str) -> dict[str, Any]:
        now = self.clock.now()
        return {
            "iss": ISSUER,
            "sub": sub,
            "aud": audience,
            "iat": int(now.timestamp()),
            "exp": int((now + timedelta(minutes=5)).timestamp()),
            "repository": "an-owner/a-repository",
        }


def _handler(github: FakeGithub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            target = urlsplit(self.path)
            reply = github.take(
                GithubRequest(
                    target.path,
                    parse_qs(target.query),
                    {name.lower(): value for name, value in self.headers.items()},
                )
            )
            try:
                self.send_response(reply.status)
                for name, value in reply.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(reply.body)))
                self.end_headers()
                self.wfile.write(reply.body)
            except ConnectionError:
                pass  # the client did not wait

        def date_time_string(self, timestamp: float | None = None) -> str:
            return super().date_time_string(timestamp or github.clock.now().timestamp())

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name
            pass

    return Handler
