"""GitHub's id-token endpoint on loopback: signs for the job that asks, or answers as it is told."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

from agentkeys.clock import Clock
from agentkeys.secret import Secret
from agentkeys.sessions import GithubSession
from tests.fakes.http_fake import FakeOfTurns, RecordedRequest, Reply
from tests.support.tokens import sign

__all__ = ["FakeGithub", "GithubRequest"]

ISSUER = "https://token.actions.githubusercontent.com"
PATH = "/abcd//idtoken/5c2f/7e1a"


class GithubRequest(RecordedRequest):
    """What arrived, with all values of its query."""

    @property
    def path(self) -> str:
        return urlsplit(self.target).path

    @property
    def query(self) -> dict[str, list[str]]:
        return parse_qs(urlsplit(self.target).query)


class FakeGithub(FakeOfTurns[GithubRequest]):
    """Runs while its `with` block does, and knows the jobs of `start_job` that are not over."""

    def __init__(self, *, clock: Clock | None = None) -> None:
        super().__init__(GithubRequest, clock=clock)
        self._jobs: dict[str, str] = {}

    # What a test tells it to do.

    def start_job(self, sub: str) -> GithubSession:
        """What a job's environment has, whose tokens say `sub`."""
        bearer = sign({"job": sub, "number": len(self._jobs)})
        self._jobs[bearer] = sub
        return GithubSession(f"{self.origin}{PATH}?api-version=2.0", Secret(bearer))

    def end_jobs(self) -> None:
        """All jobs so far are over."""
        self._jobs.clear()

    # How it works.

    def _answer(self, request: GithubRequest) -> Reply:
        scheme, _, bearer = request.headers.get("authorization", "").partition(" ")
        sub = self._jobs.get(bearer)
        if scheme.lower() != "bearer" or sub is None:
            return Reply(401, b'{"message": "unauthorized"}')
        if (request.method, request.path) != ("GET", PATH):
            return Reply(404, b"")
        if request.query.get("api-version") != ["2.0"]:
            return Reply(404, b"")
        [audience] = request.query.get("audience", ["https://github.com/an-owner"])
        token = sign(self._claims(sub, audience))
        return Reply(200, json.dumps({"count": 1, "value": token}).encode())

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
