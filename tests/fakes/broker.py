"""A broker on loopback that signs real tokens, or answers as a test tells it to."""

from __future__ import annotations

import json
import threading
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

import jwt

from agentkeys.clock import Clock, SystemClock, format_utc
from tests.support.tokens import (
    ALICE,
    AUDIENCE,
    CAROL,
    LATEST,
    User,
    mismade_jwt,
    session_claims,
    sign,
    signing_key,
    web_identity_claims,
)

__all__ = ["MINT", "PAIR", "POLL", "RESOLVE", "BrokerRequest", "FakeBroker", "envelope"]

MINT = "/v1/mint-oidc-jwt"
RESOLVE = "/v1/agent/resolve"
PAIR, POLL = "/v1/agent/pairing/request", "/v1/agent/pairing/poll"
_SINCE = {"/.well-known/openid-configuration": 2, MINT: 2, PAIR: 7, POLL: 7, RESOLVE: 9}
"""The first generation that has a path."""
SIGNATURE = "0x" + "5a" * 65
"""What its signer puts under everything."""


@dataclass(frozen=True)
class BrokerRequest:
    """What arrived; `body` is what the client sent as JSON, None if it sent no body."""

    method: str
    path: str
    headers: Mapping[str, str]
    """By lower-case name."""
    body: Any


@dataclass(frozen=True)
class _Reply:
    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


def envelope(code: str, detail: str = "no reason") -> dict[str, str]:
    """The body of a refusal."""
    return {"error": code, "message": f"{code.replace('_', ' ')}: {detail}"}


class FakeBroker:
    """Runs while its `with` block does; `url` is where, `requests` what arrived so far.

    Left alone it does what a broker of its `generation` does: wallet, e-mail and OAuth2 logins,
    pairing, sessions, minting, and a signer at the same address. Wallet logins are of whoever has
    that wallet among `users`, the others of `users[0]`; any well-formed signature is taken. Its
    times are those of `clock`.
    """

    def __init__(
        self,
        *users: User,
        clock: Clock | None = None,
        audience: str = AUDIENCE,
        issuer: str = "",
        generation: int = LATEST,
    ) -> None:
        self.users = users or (ALICE, CAROL)
        self.clock = clock or SystemClock()
        self.audience = audience
        self.generation = generation
        self.devices: dict[str, User] = {}
        """The agents of devices that are bound, by address."""
        self.requests: list[BrokerRequest] = []
        self._issuer = issuer
        self._script: defaultdict[str, deque[_Reply]] = defaultdict(deque)
        self._challenges: dict[str, User] = {}
        self._logins: dict[str, dict[str, Any]] = {}
        self._pairings: dict[str, User | None] = {}
        self._ended: set[str] = set()
        self._count = 0
        self._lock = threading.Lock()
        self._open = threading.Event()
        self._open.set()
        self._arrived = threading.Semaphore(0)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self), False)
        self._server.request_queue_size = 128
        self._server.daemon_threads = True
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
        )

    # Where it is, and the tokens that it would give.

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def host(self) -> str:
        return self.url.removeprefix("http://")

    @property
    def issuer(self) -> str:
        return self._issuer or self.url

    def session_jwt(self, user: User | None = None, **options: Any) -> str:
        """A session that it takes; options as of `session_claims`."""
        with self._lock:
            self._count += 1
            jti = f"6532fcb524a00-{self._count:016x}"
        settings = {"issuer": self.issuer, "at": self.clock.now(), "jti": jti, **options}
        return sign(session_claims(user or self.users[0], **settings), key="ak-session")

    def web_identity_claims(self, user: User | None = None, **options: Any) -> dict[str, Any]:
        """What its tokens for `user` say; options as of the function of that name."""
        settings = {
            "issuer": self.issuer,
            "audience": self.audience,
            "at": self.clock.now(),
            "generation": self.generation,
            **options,
        }
        return web_identity_claims(user or self.users[0], **settings)

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
        """The next request to `path`, or the next few, gets this answer.

        A `body` other than bytes becomes JSON. Answers wait in the order of these calls.
        """
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        self._script[path].extend([_Reply(status, content, headers or {})] * times)

    def forget_answers(self) -> None:
        """What it was told to answer it does not; it does what a broker does."""
        self._script.clear()

    def refuse_with(self, path: str, status: int, code: str, detail: str = "no reason") -> None:
        """The next request to `path` is refused in the broker's own words."""
        self.answer_with(path, status, envelope(code, detail))

    def mint_next(self, token: str) -> None:
        """The next mint gives `token`, whatever it is."""
        self.answer_with(MINT, 200, {"jwt": token, "wallet": "", "expiration": 0})

    def mint_mismade(self, how: str, user: User | None = None) -> None:
        """The next mint gives a token that is wrong in one of the ways of MISMADE."""
        self.mint_next(mismade_jwt(how, self.web_identity_claims(user)))

    def finish_logins(self, user: User | None = None) -> None:
        """The person follows the link, or agrees at the provider, in every login under way."""
        for login in self._logins.values():
            login.update(self._finished(user or self.users[0]))

    def fail_logins(self, status: str = "failed", reason: str = "link was rejected") -> None:
        """Every login under way ends like that."""
        for login in self._logins.values():
            login.update(status=status, reason=reason)

    def claim_pairings(self, agent: User) -> None:
        """The owner enters the codes of all pairings under way."""
        self._pairings = dict.fromkeys(self._pairings, agent)

    def end_session(self, session: str) -> None:
        """It no longer takes `session`, as if its operator had replaced the key."""
        self._ended.add(session)

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

    def requests_to(self, path: str) -> list[BrokerRequest]:
        return [request for request in self.requests if request.path == path]

    @property
    def mints(self) -> int:
        """How many tokens were asked for."""
        return len(self.requests_to(MINT))

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

    def take(self, request: BrokerRequest) -> _Reply:
        with self._lock:
            self.requests.append(request)
            script = self._script[request.path]
            scripted = script.popleft() if script else None
        self._arrived.release()
        self._open.wait()
        return scripted or self._answer(request)

    def _answer(self, request: BrokerRequest) -> _Reply:
        routes: dict[str, Callable[[BrokerRequest], _Reply]] = {
            f"POST {MINT}": self._mint,
            "POST /v1/auth/wallet/start": self._start_wallet,
            "POST /v1/auth/wallet/verify": self._verify_wallet,
            "POST /v1/auth/email/request": lambda _: self._start("email", {}),
            "POST /v1/auth/oauth2/start": lambda _: self._start(
                "oauth2",
                {"authorization_url": "https://provider.example.com/auth", "provider": "google"},
            ),
            "POST /v1/wallet/link": self._link,
            "POST /dev/derive-address": lambda _: _json({"address": ALICE.wallet}),
            "POST /dev/sign-message": lambda _: _json(
                {"address": ALICE.wallet, "signature": SIGNATURE, "key_version": 1}
            ),
            f"POST {PAIR}": self._begin_pairing,
            f"POST {POLL}": self._poll_pairing,
            f"POST {RESOLVE}": self._resolve,
            "GET /healthz": lambda _: _Reply(200, b"ok"),
            "GET /.well-known/openid-configuration": lambda _: self._discovery(),
        }
        route = routes.get(f"{request.method} {request.path}")
        if self.generation < _SINCE.get(request.path, 1):
            return _Reply(404, b"")
        if route:
            return route(request)
        head, _, login = request.path.rpartition("/status/")
        if head.startswith("/v1/auth/"):
            return self._status(login)
        return _Reply(404, b"")

    def _mint(self, request: BrokerRequest) -> _Reply:
        user = self._user_of(request)
        if user is None:
            return _json(envelope("unauthorized", "session jwt verify: InvalidToken"), 401)
        claims = self.web_identity_claims(user)
        return _json({"jwt": sign(claims), "wallet": user.subject, "expiration": claims["exp"]})

    def _link(self, request: BrokerRequest) -> _Reply:
        user = self._user_of(request)
        if user is None:
            return _json(envelope("unauthorized", "missing bearer"), 401)
        return _json({"linked": True, "omni_account": user.omni, **request.body})

    def _user_of(self, request: BrokerRequest) -> User | None:
        """Whose session a request carries; None when it must not be taken."""
        scheme, _, session = request.headers.get("authorization", "").partition(" ")
        if scheme != "Bearer" or session in self._ended:
            return None
        try:
            claims = jwt.decode(
                session,
                signing_key("ak-session").public_key(),
                algorithms=["ES256"],
                options={"verify_exp": False, "verify_iat": False, "verify_aud": False},
            )
        except jwt.PyJWTError:
            return None
        if claims["iss"] != self.issuer or claims["exp"] < self.clock.now().timestamp():
            return None
        details = claims["agentkeys"]
        return User(details["omni_account"], details["wallet_address"], details["identity_type"])

    def _start_wallet(self, request: BrokerRequest) -> _Reply:
        address = request.body["address"].lower()
        ticket = self._ticket("siwe", 32)
        self._challenges[ticket] = next(
            (user for user in self.users if user.wallet == address), self.users[0]
        )
        message = (
            f"{self.host} wants you to sign in with your Ethereum account:\n{address}\n\n"
            f"Sign in.\n\nURI: {self.issuer}\nVersion: 1\nChain ID: {request.body['chain_id']}\n"
            f"Nonce: {self._count:032x}\nIssued At: {format_utc(self.clock.now())}"
        )
        return _json({"request_id": ticket, "expires_in_seconds": 2700, "siwe_message": message})

    def _verify_wallet(self, request: BrokerRequest) -> _Reply:
        user = self._challenges.pop(request.body["request_id"], None)
        if user is None:
            return _json(envelope("unauthorized", "unknown challenge"), 401)
        return _json({"wallet_address": user.wallet, **self._finished(user)})

    def _start(self, method: str, more: dict[str, str]) -> _Reply:
        ticket = self._ticket({"email": "eml", "oauth2": "oa2"}[method], 24)
        self._logins[ticket] = {"status": "pending"}
        poll_url = f"/v1/auth/{method}/status/{ticket}"
        return _json(
            {"request_id": ticket, "expires_in_seconds": 600, "poll_url": poll_url, **more}
        )

    def _status(self, ticket: str) -> _Reply:
        login = self._logins.get(ticket)
        if login is None:
            return _json(envelope("bad_request", "unknown request id"), 400)
        return _json(login)

    def _finished(self, user: User) -> dict[str, Any]:
        session = self.session_jwt(user)
        return {"status": "verified", "session_jwt": session, "omni_account": user.omni}

    def _begin_pairing(self, request: BrokerRequest) -> _Reply:
        ticket = self._ticket("pair", 38)
        self._pairings[ticket] = None
        expires = int(self.clock.now().timestamp()) + 600
        code = f"code{self._count:020}"
        return _json({"request_id": ticket, "pairing_code": code, "expires_at": expires})

    def _poll_pairing(self, request: BrokerRequest) -> _Reply:
        ticket = request.body["request_id"]
        if ticket not in self._pairings:
            return _json(envelope("unauthorized", "unknown ticket"), 401)
        agent = self._pairings[ticket]
        if agent is None:
            return _json({"status": "pending"})
        del self._pairings[ticket]
        self.devices[request.body["device_pubkey"]] = agent
        session = self.session_jwt(agent)
        return _json({"status": "claimed", "session_jwt": session, "child_omni": agent.omni})

    def _resolve(self, request: BrokerRequest) -> _Reply:
        agent = self.devices.get(request.body["device_pubkey"])
        if agent is None:
            return _json(envelope("forbidden", "this device is not bound"), 403)
        return _json({"session_jwt": self.session_jwt(agent), "actor_omni": agent.omni})

    def _discovery(self) -> _Reply:
        claims = ["sub", "agentkeys_user_wallet"]
        claims += ["https://aws.amazon.com/tags"] if self.generation >= 3 else []
        claims += ["agentkeys_actor_omni"] if self.generation >= 5 else []
        return _json(
            {
                "issuer": self.issuer,
                "jwks_uri": f"{self.issuer}/.well-known/jwks.json",
                "claims_supported": claims,
            }
        )

    def _ticket(self, kind: str, digits: int) -> str:
        with self._lock:
            self._count += 1
            return f"{kind}-{self._count:0{digits}x}"


def _json(document: object, status: int = 200) -> _Reply:
    return _Reply(status, json.dumps(document).encode(), {"Content-Type": "application/json"})


def _handler(broker: FakeBroker) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            reply = broker.take(
                BrokerRequest(
                    method=self.command,
                    path=self.path,
                    headers={name.lower(): value for name, value in self.headers.items()},
                    body=json.loads(body) if body else None,
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

        do_GET = do_POST  # noqa: N815 - its name

        def date_time_string(self, timestamp: float | None = None) -> str:
            return super().date_time_string(timestamp or broker.clock.now().timestamp())

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name
            pass

    return Handler
