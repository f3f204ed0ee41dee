"""An STS on loopback that answers as one of the stores does, or as a test tells it to."""

from __future__ import annotations

from datetime import datetime, timedelta

from agentkeys.clock import Clock
from tests.fakes.http_fake import FakeOfTurns, RecordedRequest, Reply

__all__ = ["FakeSts", "refusal_body", "success_body"]

NAMESPACE = ' xmlns="https://sts.amazonaws.com/doc/2011-06-15/"'
DEFAULT_SECONDS = 3600


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


class FakeSts(FakeOfTurns[RecordedRequest]):
    """Runs while its `with` block does; `url` is where, `requests` what arrived so far.

    Without a script every request gets fresh credentials that live as long as it asked for, or
    `longest` where that is less. The times it tells are those of `clock`.
    """

    def __init__(
        self, store: str = "aws", *, clock: Clock | None = None, longest: timedelta | None = None
    ) -> None:
        super().__init__(RecordedRequest, clock=clock)
        self.store = store
        self._longest = longest or timedelta.max

    @property
    def url(self) -> str:
        return f"{self.origin}/"

    def refuse_with(self, status: int, code: str, message: str = "") -> None:
        """One of the next requests is refused, in the store's dialect."""
        self.answer_with(status, refusal_body(self.store, code, message))

    def _scripted(self, request: RecordedRequest) -> Reply | None:
        """Not for those who show no token: they only ask whether it is there."""
        return None if _shows_nothing(request) else super()._scripted(request)

    def _answer(self, request: RecordedRequest) -> Reply:
        if _shows_nothing(request):
            return Reply(400, refusal_body(self.store, "MissingParameter"))
        seconds = int(request.form.get("DurationSeconds", DEFAULT_SECONDS))
        expires_at = self.clock.now() + min(timedelta(seconds=seconds), self._longest)
        body = success_body(self.store, number=request.number, expires_at=expires_at)
        return Reply(200, body, {"Content-Type": "text/xml"})


def _shows_nothing(request: RecordedRequest) -> bool:
    return "Action" in request.form and "WebIdentityToken" not in request.form
