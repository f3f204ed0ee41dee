"""A broker on loopback that signs real tokens, or answers as a test tells it to."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import jwt

from agentkeys.clock import Clock, format_utc
from tests.fakes.http_fake import FakeOfPaths, RecordedRequest, Reply, json_reply
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


class BrokerRequest(RecordedRequest):
    """What arrived."""

    @property
    def body(self) -> Any:
        """What the client sent as JSON, None if it sent no body."""
        return json.loads(self.content) if self.content else None


def envelope(code: str, detail: str = "no reason") -> dict[str, str]:
    """The body of a refusal."""
    return {"error": code, "message": f"{code.replace('_', ' ')}: {detail}"}


class FakeBroker(FakeOfPaths[BrokerRequest]):
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
        super().__init__(BrokerRequest, clock=clock)
        self.users = users or (ALICE, CAROL)
        self.audience = audience
        self.generation = generation
        self.devices: dict[str, User] = {}
        """The agents of devices that are bound, by address."""
        self._issuer = issuer
        self._challenges: dict[str, User] = {}
        self._logins: dict[str, dict[str, Any]] = {}
        self._pairings: dict[str, User | None] = {}
        self._ended: set[str] = set()
        self._count = 0

    # Where it is, and the tokens that it would give.

    @property
    def url(self) -> str:
        return self.origin

    @property
    def host(self) -> str:
        return self.url.partition("://")[2]

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

    def forget_answers(self) -> None:
        """What it was told to answer it does not; it does what a broker does."""
        self._scripts.clear()

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

    @property
    def mints(self) -> int:
        """How many tokens were asked for."""
        return len(self.requests_to(MINT))

    # How it works.

    def _answer(self, request: BrokerRequest) -> Reply:
        routes: dict[str, Callable[[BrokerRequest], Reply]] = {
            f"POST {MINT}": self._mint,
            "POST /v1/auth/wallet/start": self._start_wallet,
            "POST /v1/auth/wallet/verify": self._verify_wallet,
            "POST /v1/auth/email/request": lambda _: self._start("email", {}),
            "POST /v1/auth/oauth2/start": lambda _: self._start(
                "oauth2",
                {"authorization_url": "https://provider.example.com/auth", "provider": "google"},
            ),
            "POST /v1/wallet/link": self._link,
            "POST /dev/derive-address": lambda _: json_reply({"address": ALICE.wallet}),
            "POST /dev/sign-message": lambda _: json_reply(
                {"address": ALICE.wallet, "signature": SIGNATURE, "key_version": 1}
            ),
            f"POST {PAIR}": self._begin_pairing,
            f"POST {POLL}": self._poll_pairing,
            f"POST {RESOLVE}": self._resolve,
            "GET /healthz": lambda _: Reply(200, b"ok"),
            "GET /.well-known/openid-configuration": lambda _: self._discovery(),
        }
        route = routes.get(f"{request.method} {request.path}")
        if self.generation < _SINCE.get(request.path, 1):
            return Reply(404, b"")
        if route:
            return route(request)
        head, _, login = request.path.rpartition("/status/")
        if head.startswith("/v1/auth/"):
            return self._status(login)
        return Reply(404, b"")

    def _mint(self, request: BrokerRequest) -> Reply:
        user = self._user_of(request)
        if user is None:
            return json_reply(envelope("unauthorized", "session jwt verify: InvalidToken"), 401)
        claims = self.web_identity_claims(user)
        return json_reply(
            {"jwt": sign(claims), "wallet": user.subject, "expiration": claims["exp"]}
        )

    def _link(self, request: BrokerRequest) -> Reply:
        user = self._user_of(request)
        if user is None:
            return json_reply(envelope("unauthorized", "missing bearer"), 401)
        return json_reply({"linked": True, "omni_account": user.omni, **request.body})

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

    def _start_wallet(self, request: BrokerRequest) -> Reply:
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
        return json_reply(
            {"request_id": ticket, "expires_in_seconds": 2700, "siwe_message": message}
        )

    def _verify_wallet(self, request: BrokerRequest) -> Reply:
        user = self._challenges.pop(request.body["request_id"], None)
        if user is None:
            return json_reply(envelope("unauthorized", "unknown challenge"), 401)
        return json_reply({"wallet_address": user.wallet, **self._finished(user)})

    def _start(self, method: str, more: dict[str, str]) -> Reply:
        ticket = self._ticket({"email": "eml", "oauth2": "oa2"}[method], 24)
        self._logins[ticket] = {"status": "pending"}
        poll_url = f"/v1/auth/{method}/status/{ticket}"
        return json_reply(
            {"request_id": ticket, "expires_in_seconds": 600, "poll_url": poll_url, **more}
        )

    def _status(self, ticket: str) -> Reply:
        login = self._logins.get(ticket)
        if login is None:
            return json_reply(envelope("bad_request", "unknown request id"), 400)
        return json_reply(login)

    def _finished(self, user: User) -> dict[str, Any]:
        session = self.session_jwt(user)
        return {"status": "verified", "session_jwt": session, "omni_account": user.omni}

    def _begin_pairing(self, request: BrokerRequest) -> Reply:
        ticket = self._ticket("pair", 38)
        self._pairings[ticket] = None
        expires = int(self.clock.now().timestamp()) + 600
        code = f"code{self._count:020}"
        return json_reply({"request_id": ticket, "pairing_code": code, "expires_at": expires})

    def _poll_pairing(self, request: BrokerRequest) -> Reply:
        ticket = request.body["request_id"]
        if ticket not in self._pairings:
            return json_reply(envelope("unauthorized", "unknown ticket"), 401)
        agent = self._pairings[ticket]
        if agent is None:
            return json_reply({"status": "pending"})
        del self._pairings[ticket]
        self.devices[request.body["device_pubkey"]] = agent
        session = self.session_jwt(agent)
        return json_reply({"status": "claimed", "session_jwt": session, "child_omni": agent.omni})

    def _resolve(self, request: BrokerRequest) -> Reply:
        agent = self.devices.get(request.body["device_pubkey"])
        if agent is None:
            return json_reply(envelope("forbidden", "this device is not bound"), 403)
        return json_reply({"session_jwt": self.session_jwt(agent), "actor_omni": agent.omni})

    def _discovery(self) -> Reply:
        claims = ["sub", "agentkeys_user_wallet"]
        claims += ["https://aws.amazon.com/tags"] if self.generation >= 3 else []
        claims += ["agentkeys_actor_omni"] if self.generation >= 5 else []
        return json_reply(
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
