"""What servers answer that repeat the secrets which they were sent, each in a way of its own."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator, Mapping
from urllib.parse import parse_qsl, quote
from xml.sax.saxutils import escape

from tests.fakes.http_fake import RecordedRequest, Reply

__all__ = ["ANSWERS", "secrets_in"]

NAMESPACE = ' xmlns="https://sts.amazonaws.com/doc/2011-06-15/"'


def secrets_in(request: RecordedRequest) -> list[str]:
    """What came with a request that nobody else should see."""
    return list(dict.fromkeys(_sent(request))) or ["nothing-secret-was-sent"]


def _sent(request: RecordedRequest) -> Iterator[str]:
    scheme, _, credentials = request.headers.get("authorization", "").partition(" ")
    if scheme == "Basic":
        yield base64.b64decode(credentials).decode().partition(":")[2]
    yield from filter(None, [credentials])
    form = dict(parse_qsl(request.content.decode()))
    fields = ("WebIdentityToken", "refresh_token", "client_secret", "device_code", "code")
    yield from (form[name] for name in fields if name in form)
    if request.content.startswith(b"{"):
        body = json.loads(request.content)
        members = ("request_id", "signature", "pop_sig", "message_hex")
        yield from (str(body[name]) for name in members if name in body)
    if "/status/" in request.target:
        yield request.target.rpartition("/")[2]


def _quoting(request: RecordedRequest) -> str:
    return "you have sent " + " and ".join(secrets_in(request))


def _json(status: int, /, **members: Callable[[RecordedRequest], object]) -> Callable[..., Reply]:
    def answer(request: RecordedRequest) -> Reply:
        document = {name: make(request) for name, make in members.items()}
        return Reply(status, json.dumps(document).encode(), {"Content-Type": "application/json"})

    return answer


def _refusal(status: int, words: Callable[[RecordedRequest], str]) -> Callable[..., Reply]:
    """A broker's, an issuer's and GitHub's at once."""
    return _json(
        status,
        error=lambda request: "invalid_grant" if status == 400 else "refused",
        message=words,
        error_description=words,
        status=lambda request: "failed",
        reason=words,
    )


def _html(status: int) -> Callable[..., Reply]:
    def answer(request: RecordedRequest) -> Reply:
        page = f"<html><body><p>{escape(_quoting(request))}</p></body></html>"
        return Reply(status, page.encode(), {"Content-Type": "text/html"})

    return answer


def _xml(
    status: int,
    *,
    code: Callable[[str], str] = lambda _: "AccessDenied",
    message: Callable[[str], str] = lambda _: "no",
    request_id: Callable[[str], str] = lambda _: "request-1",
) -> Callable[..., Reply]:
    def answer(request: RecordedRequest) -> Reply:
        sent = secrets_in(request)[0]
        body = (
            f"<ErrorResponse{NAMESPACE}><Error><Type>Sender</Type><Code>{escape(code(sent))}</Code>"
            f"<Message>{escape(message(sent))}</Message></Error>"
            f"<RequestId>{escape(request_id(sent))}</RequestId></ErrorResponse>"
        )
        return Reply(status, body.encode(), {"Content-Type": "text/xml"})

    return answer


def _role(**parts: Callable[[str], str]) -> Callable[..., Reply]:
    """Credentials, of which some part repeats the token."""

    def answer(request: RecordedRequest) -> Reply:
        sent = secrets_in(request)[0]
        part = {name: escape(make(sent)) for name, make in parts.items()}
        body = (
            f"<AssumeRoleWithWebIdentityResponse{NAMESPACE}><AssumeRoleWithWebIdentityResult>"
            f"<SubjectFromWebIdentityToken>{part.get('subject', 'x')}"
            "</SubjectFromWebIdentityToken><Credentials>"
            f"<AccessKeyId>{part.get('key', 'ASIA0000000000000001')}</AccessKeyId>"
            "<SecretAccessKey>plain-secret</SecretAccessKey><SessionToken>plain-token</SessionToken>"
            f"<Expiration>{part.get('expiration', '2099-01-01T00:00:00Z')}</Expiration>"
            "</Credentials></AssumeRoleWithWebIdentityResult>"
            f"<ResponseMetadata><RequestId>{part.get('request_id', 'x')}</RequestId>"
            "</ResponseMetadata></AssumeRoleWithWebIdentityResponse>"
        )
        return Reply(200, body.encode(), {"Content-Type": "text/xml"})

    return answer


def _redirect(request: RecordedRequest) -> Reply:
    sent = quote(secrets_in(request)[0], safe="")
    return Reply(307, b"", {"Location": f"http://127.0.0.1:1/?token={sent}"})


def _headers(status: int) -> Callable[..., Reply]:
    def answer(request: RecordedRequest) -> Reply:
        sent = secrets_in(request)[0]
        names = ("Date", "Retry-After", "WWW-Authenticate", "Set-Cookie", "x-amzn-requestid",
                 "x-amz-request-id", "Location", "Content-Encoding")  # fmt: skip
        return Reply(status, b"", dict.fromkeys(names, sent[:200]))

    return answer


def _part(sent: str) -> str:
    """Of a token: what would pass for an identifier."""
    return max(sent.replace("-", ".").replace("_", ".").split("."), key=len)


def _garbled(encode: Callable[[str], str]) -> Callable[[RecordedRequest], str]:
    return lambda request: f"bad: {encode(secrets_in(request)[0])}"


def _base64(value: str) -> str:
    return base64.b64encode(value.encode()).decode()


ANSWERS: Mapping[str, Callable[[RecordedRequest], Reply]] = {
    **{f"html {status}": _html(status) for status in (200, 403, 404, 500)},
    **{f"json {status}": _refusal(status, _quoting) for status in (200, 400, 401, 403, 429, 503)},
    "error code": _json(
        403, error=lambda r: secrets_in(r)[0], message=lambda r: "no", status=_quoting
    ),
    "percent": _refusal(400, _garbled(lambda value: quote(value, safe=""))),
    "base64": _refusal(400, _garbled(_base64)),
    "hex": _refusal(400, _garbled(lambda value: value.encode().hex())),
    "beginning": _refusal(400, _garbled(lambda value: value[:12])),
    "end": _refusal(400, _garbled(lambda value: value[-12:])),
    "middle": _refusal(400, _garbled(lambda value: value[5:60])),
    "lines": _refusal(400, _garbled(lambda value: "\n".join((value[:8], value[8:16], value[16:])))),
    "unseen": _refusal(400, _garbled("\u200b".join)),
    "controls": _refusal(400, _garbled("\x01".join)),
    "redirect": _redirect,
    "headers 200": _headers(200),
    "headers 400": _headers(400),
    "headers 503": _headers(503),
    "xml message": _xml(403, message=lambda sent: f"the token {sent} is bad"),
    "xml message, percent": _xml(403, message=lambda sent: quote(sent[40:90], safe="")),
    "xml message, base64": _xml(403, message=_base64),
    "xml message, the token's end": _xml(400, message=lambda sent: f"…{sent[-12:]}"),
    "xml code": _xml(403, code=lambda sent: _part(sent)[:64]),
    "xml request id": _xml(403, request_id=lambda sent: sent.split(".")[-1][:128]),
    "xml request id, busy": _xml(503, request_id=lambda sent: sent[-128:]),
    "role request id": _role(request_id=lambda sent: sent.split(".")[-1][:128]),
    "role request id, the token's payload": _role(request_id=lambda sent: sent[40:168]),
    "role subject": _role(subject=lambda sent: sent),
    "role key": _role(key=lambda sent: _part(sent)[:64]),
    "role expiration": _role(expiration=lambda sent: sent),
}
