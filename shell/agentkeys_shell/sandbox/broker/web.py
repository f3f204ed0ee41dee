"""What a handler gets and gives, and the two ways in which a request is turned down.

A real broker refuses in its own envelope, `{"error", "message"}`, once a handler has looked at the
request; what its web framework turns down before that is answered in short plain text.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus

from agentkeys.secret import Secret

__all__ = [
    "Fields",
    "Handler",
    "Refused",
    "Rejected",
    "Request",
    "Response",
    "Route",
    "html_page",
    "json_answer",
    "text_answer",
]

# error code -> HTTP status and the prefix of the message; the last three are the signer's own
_REFUSALS: dict[str, tuple[int, str]] = {
    "bad_request": (400, "bad request: "),
    "unauthorized": (401, "unauthorized: "),
    "forbidden": (403, "forbidden: "),
    "audit_error": (500, "audit error: "),
    "internal": (500, "internal: "),
    "invalid_omni_account": (400, ""),
    "invalid_message_hex": (400, ""),
}
_BEARER = "Bearer "


@dataclass(frozen=True, slots=True)
class Response:
    """A whole answer; bodies here are small."""

    status: int = 200
    body: bytes = b""
    content_type: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


def json_answer(payload: Mapping[str, object], *, status: int = 200, **headers: str) -> Response:
    """`payload` as JSON; an underscore in a header's name stands for a hyphen."""
    named = {name.replace("_", "-").lower(): value for name, value in headers.items()}
    return Response(status, json.dumps(payload).encode(), "application/json", named)


def text_answer(text: str, *, status: int = 200) -> Response:
    """Plain text."""
    return Response(status, text.encode(), "text/plain; charset=utf-8")


def html_page(body: str, *, title: str = "agentkeys development broker") -> Response:
    """A page for a browser, never cached and never named to where its links lead."""
    page = f"<!doctype html><meta charset=utf-8><title>{title}</title>{body}\n"
    headers = {"cache-control": "no-store", "referrer-policy": "no-referrer"}
    return Response(200, page.encode(), "text/html; charset=utf-8", headers)


class Refused(Exception):
    """A handler's refusal, in the broker's envelope."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail

    def response(self) -> Response:
        status, prefix = _REFUSALS[self.code]
        return json_answer({"error": self.code, "message": prefix + self.detail}, status=status)


class Rejected(Exception):
    """What the web framework turns down before any handler sees it, in plain text or nothing."""

    def __init__(self, status: int, text: str = "", **headers: str) -> None:
        super().__init__(text)
        self.status = status
        self.text = text
        self.headers = headers

    def response(self) -> Response:
        content_type = "text/plain; charset=utf-8" if self.text else None
        return Response(self.status, self.text.encode(), content_type, self.headers)


class Fields:
    """The JSON object of a request; a missing or mistyped field is a 422 of the framework."""

    def __init__(self, payload: object) -> None:
        if not isinstance(payload, dict):
            raise Rejected(HTTPStatus.UNPROCESSABLE_ENTITY, "expected a JSON object")
        self._payload: dict[str, object] = payload

    def text(self, name: str) -> str:
        """A string that has to be there."""
        value = self._payload.get(name)
        if isinstance(value, str):
            return value
        raise self._unfit(name, "a string")

    def optional_text(self, name: str) -> str | None:
        """A string, or None for null or nothing."""
        return None if self._payload.get(name) is None else self.text(name)

    def count(self, name: str) -> int:
        """An integer that is not negative and has to be there."""
        value = self._payload.get(name)
        if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
            return value
        raise self._unfit(name, "an integer of zero or more")

    def _unfit(self, name: str, kind: str) -> Rejected:
        what = "is not" if name in self._payload else "is missing; it must be"
        return Rejected(HTTPStatus.UNPROCESSABLE_ENTITY, f"field {name} {what} {kind}")


@dataclass(frozen=True, slots=True)
class Request:
    """What a handler may look at."""

    fields: Fields
    query: Mapping[str, str]
    authorization: str | None
    tail: str
    """The last part of the path, where the route leaves it open; empty otherwise."""

    def bearer(self) -> Secret:
        """The token of `Authorization: Bearer …`, spelt exactly so; Refused without one."""
        if self.authorization and self.authorization.startswith(_BEARER):
            return Secret(self.authorization.removeprefix(_BEARER))
        raise Refused("unauthorized", "no usable Authorization header")


Handler = Callable[[Request], Response]


@dataclass(frozen=True, slots=True)
class Route:
    """Where a handler is found. A path that ends in `/*` leaves its last part open."""

    method: str
    path: str
    handle: Handler
    reads_json: bool = False

    def tail_of(self, path: str) -> str | None:
        """The open part of `path`, empty when there is none, or None if the route is another."""
        if not self.path.endswith("/*"):
            return "" if path == self.path else None
        stem, tail = self.path[:-1], path.removeprefix(self.path[:-1])
        return tail if path.startswith(stem) and tail and "/" not in tail else None
