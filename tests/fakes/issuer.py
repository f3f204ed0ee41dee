"""An OpenID Connect issuer on loopback that does its job, or answers as a test tells it to."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import repeat
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qsl, unquote_plus, urlencode, urlsplit

from jwt.algorithms import ECAlgorithm

from agentkeys.clock import Clock, SystemClock
from tests.support.tokens import sign, signing_key

__all__ = ["CLIENT", "DISCOVERY", "SERVICE", "SERVICE_SECRET", "FakeIssuer", "IssuerRequest"]

DISCOVERY = "/.well-known/openid-configuration"
CLIENT, SERVICE, SERVICE_SECRET = "people", "service:1", "s%cret +&ü"
KEY = "oidc"


@dataclass(frozen=True)
class IssuerRequest:
    """What arrived."""

    method: str
    path: str
    headers: Mapping[str, str]
    """By lower-case name."""
    query: Mapping[str, str]
    form: Mapping[str, str]


@dataclass(frozen=True)
class _Reply:
    status: int
    body: bytes | Iterable[bytes]
    headers: Mapping[str, str] = field(default_factory=dict)


class FakeIssuer:
    """Runs while its `with` block does; `url` is where, and its name as well.

    `user` is whoever logs in, at once, or on another device once `agreed` says so. Refresh tokens
    rotate, and the second use of one ends the login. Its times are those of `clock`.
    """

    def __init__(self, *, clock: Clock | None = None, path: str = "") -> None:
        self.clock = clock or SystemClock()
        self.user = "alice"
        self.requests: list[IssuerRequest] = []
        self.metadata: dict[str, Any] = {}
        """What its description says instead; None takes a line out."""
        self.claims: dict[str, Any] = {}
        """What its tokens say instead."""
        self.access_claims: dict[str, Any] | None = None
        """What people's access tokens say instead; None where those are no JWTs."""
        self.tokens: dict[str, Any] = {}
        """What its answers with tokens say instead; None takes a line out."""
        self.device: dict[str, Any] = {}
        """What its answers to a device say instead."""
        self.redirect: dict[str, Any] = {}
        """What its redirects say instead; None takes a parameter out."""
        self.device_says: deque[str] = deque()
        """The errors that polls get, one each; none any more: the login is done."""
        self.gives_refresh_tokens = True
        self.rotates = True
        self.signed_with = KEY
        self.ended: set[str] = set()
        """The logins, by number, that a refresh token's second use has ended."""
        self._name = path
        self._path = path.removesuffix("/")
        self._script: defaultdict[str, deque[_Reply]] = defaultdict(deque)
        self._codes: dict[str, dict[str, str]] = {}
        self._refresh: dict[str, tuple[str, str]] = {}
        self._used: dict[str, str] = {}
        self._count = 0
        self._lock = threading.Lock()
        self._open = threading.Event()
        self._open.set()
        self._over = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self), False)
        self._server.daemon_threads = True
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
        )

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def url(self) -> str:
        return self.origin + self._name

    # What a test tells it to do.

    def answer_with(
        self,
        path: str,
        status: int,
        body: object = b"",
        headers: Mapping[str, str] | None = None,
        *,
        times: int = 1,
    ) -> None:
        """The next request to `path`, or the next few, gets this; JSON unless it is bytes."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        self._script[path].extend([_Reply(status, content, headers or {})] * times)

    def drip(self, path: str) -> None:
        """The next answer of `path` begins, and then there is a byte now and then, for ever."""
        self._script[path].append(_Reply(200, self._drops()))

    def pour(self, path: str) -> None:
        """The next answer of `path` has no end."""
        self._script[path].append(_Reply(200, repeat(b'{"a": "' + b"a" * 65_536)))

    def hold(self) -> None:
        """Requests arrive, and get no answer before `release`."""
        self._open.clear()

    def release(self) -> None:
        self._open.set()

    def requests_to(self, path: str) -> list[IssuerRequest]:
        return [request for request in self.requests if request.path == self._path + path]

    @property
    def description(self) -> dict[str, Any]:
        """What its discovery says."""
        return _without_none(
            {
                "issuer": self.url,
                "authorization_endpoint": f"{self.origin}{self._path}/authorize",
                "token_endpoint": f"{self.origin}{self._path}/token",
                "device_authorization_endpoint": f"{self.origin}{self._path}/device",
                "jwks_uri": f"{self.origin}{self._path}/jwks",
                "scopes_supported": ["openid", "profile", "offline_access"],
                "token_endpoint_auth_methods_supported": [
                    "client_secret_basic",
                    "client_secret_post",
                    "private_key_jwt",
                    "none",
                ],
                "id_token_signing_alg_values_supported": ["ES256"],
                **self.metadata,
            }
        )

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
        self._over.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def take(self, request: IssuerRequest) -> _Reply:
        with self._lock:
            self.requests.append(request)
            script = self._script[request.path.removeprefix(self._path)]
            scripted = script.popleft() if script else None
        self._open.wait()
        if scripted:
            return scripted
        routes: dict[str, Callable[[IssuerRequest], _Reply]] = {
            f"GET {DISCOVERY}": lambda _: _json(self.description),
            "GET /jwks": lambda _: self._keys(),
            "GET /authorize": self._authorize,
            "POST /device": self._start_device,
            "POST /token": self._token,
        }
        path = request.path.removeprefix(self._path)
        route = routes.get(f"{request.method} {path}")
        with self._lock:
            return route(request) if route else _Reply(404, b"<html>nothing here</html>")

    def _keys(self) -> _Reply:
        public = ECAlgorithm.to_jwk(signing_key(KEY).public_key(), as_dict=True)
        # As issuers do that also encrypt, or keep a key that we cannot read.
        others = [
            {"kty": "OKP", "kid": "x"},
            {"kty": "RSA", "use": "enc", "kid": "e"},
            {"kty": "RSA", "kid": "broken", "n": 3},
            {"kty": ["EC"]},
            "no key",
        ]
        return _json({"keys": [*others, {**public, "kid": f"{KEY}-1778200000", "use": "sig"}]})

    def _authorize(self, request: IssuerRequest) -> _Reply:
        asked = request.query
        code = self._next("code")
        self._codes[code] = dict(asked)
        back = _without_none({"code": code, "state": asked["state"], **self.redirect})
        return _Reply(303, b"", {"Location": f"{asked['redirect_uri']}?{urlencode(back)}"})

    def _start_device(self, request: IssuerRequest) -> _Reply:
        page = f"{self.origin}{self._path}/activate"
        return _json(
            _without_none(
                {
                    "device_code": self._next("device"),
                    "user_code": "WDJB-MJHT",
                    "verification_uri": page,
                    "verification_uri_complete": f"{page}?user_code=WDJB-MJHT",
                    "expires_in": 600,
                    "interval": 5,
                    **self.device,
                }
            )
        )

    def _token(self, request: IssuerRequest) -> _Reply:
        grants: dict[str, Callable[[Mapping[str, str]], _Reply]] = {
            "authorization_code": self._by_code,
            "urn:ietf:params:oauth:grant-type:device_code": self._by_device,
            "refresh_token": self._by_refresh_token,
            "client_credentials": self._by_client,
        }
        client = _client_of(request)
        if client is None:
            return _refusal("invalid_client", "client authentication failed", 401)
        return grants[request.form["grant_type"]]({**request.form, "client_id": client})

    def _by_code(self, form: Mapping[str, str]) -> _Reply:
        asked = self._codes.pop(form["code"], None)
        digest = hashlib.sha256(form["code_verifier"].encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).decode().rstrip("=")
        if asked is None or asked["code_challenge"] != challenge:
            return _refusal("invalid_grant", "code or verifier is wrong")
        if asked["redirect_uri"] != form["redirect_uri"]:
            return _refusal("invalid_grant", "redirect_uri is another")
        return self._tokens(form, nonce=asked["nonce"], login=form["code"])

    def _by_device(self, form: Mapping[str, str]) -> _Reply:
        if self.device_says:
            return _refusal(self.device_says.popleft(), "")
        return self._tokens(form, login=form["device_code"])

    def _by_refresh_token(self, form: Mapping[str, str]) -> _Reply:
        token = form["refresh_token"]
        if token in self._used:
            self.ended.add(self._used[token])
            return _refusal("invalid_grant", f"refresh token {token} was used before")
        login, user = self._refresh.get(token, ("", ""))
        if not login or login in self.ended:
            return _refusal("invalid_grant", "refresh token is unknown")
        if self.rotates:
            self._used[token] = login
        return self._tokens(form, login=login, user=user)

    def _by_client(self, form: Mapping[str, str]) -> _Reply:
        audience = form.get("resource") or form.get("audience") or "store"
        token = sign(self._claims(form["client_id"], audience), key=self.signed_with)
        return _json(_without_none({"access_token": token, "expires_in": 300, **self.tokens}))

    def _tokens(
        self, form: Mapping[str, str], *, login: str, nonce: str = "", user: str = ""
    ) -> _Reply:
        user = user or self.user
        more = {"nonce": nonce} if nonce else {}
        claims = self._claims(user, form["client_id"], more)
        answer: dict[str, Any] = {
            "id_token": sign(_without_none(claims), key=self.signed_with),
            "access_token": self._access_token(user, form),
            "token_type": "Bearer",
        }
        if self.gives_refresh_tokens and (self.rotates or form["grant_type"] != "refresh_token"):
            answer["refresh_token"] = self._next("refresh")
            self._refresh[answer["refresh_token"]] = login, user
        return _json(_without_none({**answer, **self.tokens}))

    def _access_token(self, user: str, form: Mapping[str, str]) -> str:
        if self.access_claims is None:
            return self._next("opaque")
        claims = self._claims(user, form.get("resource") or "store")
        return sign({**claims, **self.access_claims}, key=self.signed_with)

    def _claims(
        self, subject: str, audience: str, more: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        now = self.clock.now()
        return {
            "iss": self.url,
            "sub": subject,
            "aud": audience,
            "iat": int(now.timestamp()),
            "exp": int((now + timedelta(minutes=5)).timestamp()),
            "preferred_username": subject,
            "jti": self._next("token"),
            **(more or {}),
            **self.claims,
        }

    def _next(self, kind: str) -> str:
        self._count += 1
        return f"{kind}-{self._count:08d}"

    def _drops(self) -> Iterable[bytes]:
        while not self._over.wait(0.05):
            yield b" "


def _client_of(request: IssuerRequest) -> str | None:
    """Who asks, if they show what they should."""
    scheme, _, shown = request.headers.get("authorization", "").partition(" ")
    if scheme == "Basic":
        name, _, secret = base64.b64decode(shown).decode().partition(":")
        given = unquote_plus(name), unquote_plus(secret)
    else:
        given = request.form.get("client_id", ""), request.form.get("client_secret", "")
    if given == (SERVICE, SERVICE_SECRET):
        return SERVICE
    if "client_assertion" in request.form:
        return given[0] or SERVICE
    return CLIENT if given == (CLIENT, "") else None


def _without_none(document: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in document.items() if value is not None}


def _json(document: object, status: int = 200) -> _Reply:
    return _Reply(status, json.dumps(document).encode(), {"Content-Type": "application/json"})


def _refusal(error: str, description: str, status: int = 400) -> _Reply:
    return _json({"error": error, "error_description": description}, status)


def _handler(issuer: FakeIssuer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
            target = urlsplit(self.path)
            reply = issuer.take(
                IssuerRequest(
                    method=self.command,
                    path=target.path,
                    headers={name.lower(): value for name, value in self.headers.items()},
                    query=dict(parse_qsl(target.query)),
                    form=dict(parse_qsl(body)),
                )
            )
            try:
                self.send_response(reply.status)
                for name, value in reply.headers.items():
                    self.send_header(name, value)
                self._send(reply.body)
            except ConnectionError:
                pass  # the client did not wait

        do_GET = do_POST  # noqa: N815 - its name

        def _send(self, body: bytes | Iterable[bytes]) -> None:
            if isinstance(body, bytes):
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            for part in [body] if isinstance(body, bytes) else body:
                self.wfile.write(part)
                self.wfile.flush()

        def date_time_string(self, timestamp: float | None = None) -> str:
            return super().date_time_string(timestamp or issuer.clock.now().timestamp())

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name
            pass

    return Handler
