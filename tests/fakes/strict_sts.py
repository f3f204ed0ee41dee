"""An STS of any kind that refuses what shows no token, as every real one does."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from agentkeys.clock import Clock
from tests.fakes.http_fake import RecordedRequest, Reply
from tests.fakes.sts import FakeSts, refusal_body

__all__ = ["StrictSts"]

_NO_TOKEN = {
    "aws": (400, "ValidationError"),
    "seaweedfs": (400, "MissingParameter"),
    "ceph": (403, "AccessDenied"),
    "minio": (400, "MissingParameter"),
}


class StrictSts(FakeSts):
    """It answers a token with `answers`, in order and the last for ever, or else takes it.

    Each of them has the status and the body, or is made of the request, None taking the token.
    """

    def __init__(
        self,
        store: str,
        *answers: tuple[int, bytes] | Callable[[RecordedRequest], tuple[int, bytes] | None],
        clock: Clock | None = None,
        longest: timedelta | None = None,
    ) -> None:
        super().__init__(store, clock=clock, longest=longest)
        self._answers = list(answers)

    def _answer(self, request: RecordedRequest) -> Reply:
        if "WebIdentityToken" not in request.form:
            status, code = _NO_TOKEN[self.store]
            return _xml(status, refusal_body(self.store, code, "WebIdentityToken is missing"))
        answer = self._next()
        told = answer(request) if callable(answer) else answer
        return _xml(*told) if told else super()._answer(request)

    def _next(
        self,
    ) -> tuple[int, bytes] | Callable[[RecordedRequest], tuple[int, bytes] | None] | None:
        if not self._answers:
            return None
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]


def _xml(status: int, body: bytes) -> Reply:
    return Reply(status, body, {"Content-Type": "text/xml"})
