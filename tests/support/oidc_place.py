"""An identity of an OpenID Connect issuer at work: client, keeper, and people who log in."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import timedelta
from typing import Any, TypeVar

import httpx

from agentkeys.clock import Clock
from agentkeys.config import OidcIdentity
from agentkeys.keeper import Keeper
from agentkeys.login.oidc import DevicePrompt, log_in
from agentkeys.oidc import Issuers, OidcClient
from agentkeys.sessions import OidcSession
from agentkeys.tokens.client_credentials import ClientCredentialsTokenSource
from agentkeys.tokens.oidc import OidcTokenSource, Refreshes
from agentkeys.transport import Answer, Transport
from tests.fakes.issuer import CLIENT, FakeIssuer
from tests.fakes.vault import FragileVault
from tests.support.moved_clock import MovedClock

__all__ = ["Browser", "HastyTransport", "OidcPlace", "Onlooker", "an_identity", "play_oidc"]

T = TypeVar("T")


def an_identity(issuer: str, **changes: Any) -> OidcIdentity:
    """Of a person at `issuer`, unless `changes` say otherwise."""
    settings: dict[str, Any] = {
        "name": "me",
        "issuer": issuer,
        "client_id": CLIENT,
        "flow": "auto",
        "scopes": None,
        "requested_audience": None,
        "resource": None,
        "token": "id",
        "secret": None,
        "private_key_file": None,
        "redirect_port": None,
    }
    return OidcIdentity(**{**settings, **changes})


class Onlooker:
    """A person who looks at what is shown, and does nothing."""

    def __init__(self) -> None:
        self.addresses: list[str] = []
        self.prompts: list[DevicePrompt] = []

    def visit(self, url: str) -> None:
        self.addresses.append(url)

    def enter_code(self, prompt: DevicePrompt) -> None:
        self.prompts.append(prompt)


class Browser(Onlooker):
    """A person whose browser goes where it is sent, or on a `trip`; `pages` is what it got."""

    def __init__(self, trip: Callable[[str], httpx.Response] | None = None) -> None:
        super().__init__()
        self._trip = trip or self.go
        self._threads = ThreadPoolExecutor(1)
        self._trips: list[Future[httpx.Response]] = []

    def visit(self, url: str) -> None:
        super().visit(url)
        self._trips.append(self._threads.submit(self._trip, url))

    @property
    def pages(self) -> list[httpx.Response]:
        return [trip.result(timeout=30) for trip in self._trips]

    @staticmethod
    def go(url: str) -> httpx.Response:
        return httpx.get(url, follow_redirects=True, trust_env=False, timeout=30)


class HastyTransport(Transport):
    """Waits for nobody longer than half a second."""

    async def send(self, method: str, url: str, **options: Any) -> Answer:
        return await super().send(method, url, **{**options, "timeout": 0.5})


class OidcPlace:
    """One identity with all that it needs, over `transport`."""

    def __init__(
        self,
        identity: OidcIdentity,
        transport: Transport,
        clock: Clock,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self.identity = identity
        self.transport = transport
        self.clock = clock
        self.environ = environ or {}
        self.vault = FragileVault()
        self.refreshes = Refreshes()
        self.issuers = Issuers(transport=transport, clock=clock)
        self.client = self.client_of(identity)
        self.keeper = self.another_keeper()
        self.source = self.source_of(identity)

    def client_of(self, identity: OidcIdentity) -> OidcClient:
        return OidcClient(
            settings=identity,
            issuers=self.issuers,
            transport=self.transport,
            environ=self.environ,
        )

    def another_keeper(self) -> Keeper:
        """As of a restarted daemon."""
        return Keeper(
            identity=self.identity.name,
            account="me@0123abcd",
            vault=self.vault,
            clock=self.clock,
            times=self.transport.times,
        )

    def source_of(self, identity: OidcIdentity, keeper: Keeper | None = None) -> OidcTokenSource:
        return OidcTokenSource(
            identity=identity,
            client=self.client_of(identity),
            sessions=(keeper or self.keeper).of(OidcSession),
            times=self.transport.times,
            refreshes=self.refreshes,
        )

    @property
    def service(self) -> ClientCredentialsTokenSource:
        return ClientCredentialsTokenSource(
            identity=self.identity, client=self.client, times=self.transport.times
        )

    async def log_in(self, person: Onlooker | None = None, **options: Any) -> OidcSession:
        """Logs in with a browser, unless told otherwise, and keeps the session."""
        settings = {"has_browser": True, "patience": timedelta(seconds=60), **options}
        session = await log_in(
            self.client, self.identity, person=person or Browser(), clock=self.clock, **settings
        )
        await self.keeper.keep_session(session)
        return session


def play_oidc(
    story: Callable[[OidcPlace, FakeIssuer], Awaitable[T]],
    *,
    path: str = "",
    environ: Mapping[str, str] | None = None,
    make_transport: Callable[..., Transport] = Transport,
    **changes: Any,
) -> T:
    """Plays the story at a fake issuer, as an identity with `changes`; both have a moved clock."""
    clock = MovedClock()
    with FakeIssuer(clock=clock, path=path) as issuer:
        identity = an_identity(issuer.url, **changes)

        async def play() -> T:
            transport = make_transport(clock=clock)
            try:
                return await story(OidcPlace(identity, transport, clock, environ), issuer)
            finally:
                await transport.aclose()

        return asyncio.run(play())
