"""An OpenID Connect issuer on loopback that does its job, or answers as a test tells it to."""

from __future__ import annotations

import base64
import hashlib
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from itertools import repeat
from typing import Any
from urllib.parse import parse_qsl, unquote_plus, urlencode, urlsplit

from jwt.algorithms import ECAlgorithm

from agentkeys.clock import Clock
from tests.fakes.http_fake import FakeOfPaths, RecordedRequest, Reply, json_reply
from tests.support.tokens import sign, signing_key

__all__ = ["CLIENT", "DISCOVERY", "SERVICE", "SERVICE_SECRET", "FakeIssuer", "IssuerRequest"]

DISCOVERY = "/.well-known/openid-configuration"
CLIENT, SERVICE, SERVICE_SECRET = "people", "service:1", "s%cret +&ü"
KEY = "oidc"


class IssuerRequest(RecordedRequest):
    """What arrived, from a browser as well."""

    @property
    def path(self) -> str:
        return urlsplit(self.target).path

    @property
    def query(self) -> dict[str, str]:
        return dict(parse_qsl(urlsplit(self.target).query))


class FakeIssuer(FakeOfPaths[IssuerRequest]):
    """Runs while its `with` block does; `url` is where, and its name as well.

    `user` is whoever logs in, at once, or on another device once `agreed` says so. Refresh tokens
    rotate, and the second use of one ends the login. Its times are those of `clock`.
    """

    def __init__(self, *, clock: Clock | None = None, path: str = "") -> None:
        super().__init__(IssuerRequest, clock=clock, prefix=path.removesuffix("/"))
        self.user = "alice"
        self.service = SERVICE, SERVICE_SECRET
        """The client that has a secret."""
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
        self._codes: dict[str, dict[str, str]] = {}
        self._refresh: dict[str, tuple[str, str]] = {}
        self._used: dict[str, str] = {}
        self._count = 0

    @property
    def url(self) -> str:
        return self.origin + self._name

    # What a test tells it to do.

    def drip(self, path: str) -> None:
        """The next answer of `path` begins, and then there is a byte now and then, for ever."""
        self._tell(path, Reply(200, self._drops()))

    def pour(self, path: str) -> None:
        """The next answer of `path` has no end."""
        self._tell(path, Reply(200, repeat(b'{"a": "' + b"a" * 65_536)))

    @property
    def description(self) -> dict[str, Any]:
        """What its discovery says."""
        return _without_none(
            {
                "issuer": self.url,
                "authorization_endpoint": f"{self.origin}{self._prefix}/authorize",
                "token_endpoint": f"{self.origin}{self._prefix}/token",
                "device_authorization_endpoint": f"{self.origin}{self._prefix}/device",
                "jwks_uri": f"{self.origin}{self._prefix}/jwks",
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

    def _answer(self, request: IssuerRequest) -> Reply:
        routes: dict[str, Callable[[IssuerRequest], Reply]] = {
            f"GET {DISCOVERY}": lambda _: json_reply(self.description),
            "GET /jwks": lambda _: self._keys(),
            "GET /authorize": self._authorize,
            "POST /device": self._start_device,
            "POST /token": self._token,
        }
        path = request.path.removeprefix(self._prefix)
        route = routes.get(f"{request.method} {path}")
        with self._lock:
            return route(request) if route else Reply(404, b"<html>nothing here</html>")

    def _keys(self) -> Reply:
        public = ECAlgorithm.to_jwk(signing_key(KEY).public_key(), as_dict=True)
        # As issuers do that also encrypt, or keep a key that we cannot read.
        others = [
            {"kty": "OKP", "kid": "x"},
            {"kty": "RSA", "use": "enc", "kid": "e"},
            {"kty": "RSA", "kid": "broken", "n": 3},
            {"kty": ["EC"]},
            "no key",
        ]
        return json_reply({"keys": [*others, {**public, "kid": f"{KEY}-1778200000", "use": "sig"}]})

    def _authorize(self, request: IssuerRequest) -> Reply:
        asked = request.query
        code = self._next("code")
        self._codes[code] = dict(asked)
        back = _without_none({"code": code, "state": asked["state"], **self.redirect})
        return Reply(303, b"", {"Location": f"{asked['redirect_uri']}?{urlencode(back)}"})

    def _start_device(self, request: IssuerRequest) -> Reply:
        page = f"{self.origin}{self._prefix}/activate"
        return json_reply(
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

    def _token(self, request: IssuerRequest) -> Reply:
        grants: dict[str, Callable[[Mapping[str, str]], Reply]] = {
            "authorization_code": self._by_code,
            "urn:ietf:params:oauth:grant-type:device_code": self._by_device,
            "refresh_token": self._by_refresh_token,
            "client_credentials": self._by_client,
        }
        client = _client_of(request, self.service)
        if client is None:
            return _refusal("invalid_client", "client authentication failed", 401)
        return grants[request.form["grant_type"]]({**request.form, "client_id": client})

    def _by_code(self, form: Mapping[str, str]) -> Reply:
        asked = self._codes.pop(form["code"], None)
        digest = hashlib.sha256(form["code_verifier"].encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).decode().rstrip("=")
        if asked is None or asked["code_challenge"] != challenge:
            return _refusal("invalid_grant", "code or verifier is wrong")
        if asked["redirect_uri"] != form["redirect_uri"]:
            return _refusal("invalid_grant", "redirect_uri is another")
        return self._tokens(form, nonce=asked["nonce"], login=form["code"])

    def _by_device(self, form: Mapping[str, str]) -> Reply:
        if self.device_says:
            return _refusal(self.device_says.popleft(), "")
        return self._tokens(form, login=form["device_code"])

    def _by_refresh_token(self, form: Mapping[str, str]) -> Reply:
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

    def _by_client(self, form: Mapping[str, str]) -> Reply:
        audience = form.get("resource") or form.get("audience") or "store"
        token = sign(self._claims(form["client_id"], audience), key=self.signed_with)
        return json_reply(_without_none({"access_token": token, "expires_in": 300, **self.tokens}))

    def _tokens(
        self, form: Mapping[str, str], *, login: str, nonce: str = "", user: str = ""
    ) -> Reply:
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
        return json_reply(_without_none({**answer, **self.tokens}))

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


def _client_of(request: IssuerRequest, service: tuple[str, str]) -> str | None:
    """Who asks, if they show what they should."""
    scheme, _, shown = request.headers.get("authorization", "").partition(" ")
    if scheme == "Basic":
        name, _, secret = base64.b64decode(shown).decode().partition(":")
        given = unquote_plus(name), unquote_plus(secret)
    else:
        given = request.form.get("client_id", ""), request.form.get("client_secret", "")
    if given == service:
        return service[0]
    if "client_assertion" in request.form:
        return given[0] or service[0]
    return CLIENT if given == (CLIENT, "") else None


def _without_none(document: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in document.items() if value is not None}


def _refusal(error: str, description: str, status: int = 400) -> Reply:
    return json_reply({"error": error, "error_description": description}, status)
