"""Our logins and token sources at a real OpenID Connect provider."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from threading import Thread
from typing import Any, TypeVar

import httpx
import pytest

from agentkeys.clock import SystemClock
from agentkeys.config import SecretPlace
from agentkeys.errors import IssuerRefused, LoginFailed, LoginRequired
from agentkeys.login.oidc import DevicePrompt
from agentkeys.sessions import OidcSession
from agentkeys.transport import Transport
from tests.support.oidc_person import Person
from tests.support.oidc_place import OidcPlace, Onlooker, an_identity
from tests.support.oidc_provider import (
    PEOPLE,
    RESOURCE,
    SERVICE,
    SERVICE_SECRET,
    OidcProvider,
    private_key_pem,
)

T = TypeVar("T")

VARIABLE = "AGENTKEYS_CLIENT_SECRET"


class Someone(Onlooker):
    """Does with a browser, or on another device, what `act` says."""

    def __init__(self, act: Callable[[Person, Any], object], name: str = "alice") -> None:
        super().__init__()
        self._act = act
        self._name = name

    def visit(self, url: str) -> None:
        super().visit(url)
        Thread(target=self._do, args=(url,), daemon=True).start()

    def enter_code(self, prompt: DevicePrompt) -> None:
        super().enter_code(prompt)
        Thread(target=self._do, args=(prompt,), daemon=True).start()

    def _do(self, shown: Any) -> None:
        with Person(self._name) as person:
            self._act(person, shown)


def browsing(name: str = "alice") -> Someone:
    return Someone(Person.visit, name)


def typing(act: Callable[[Person, str, str], None] = Person.approve) -> Someone:
    return Someone(lambda person, shown: act(person, shown.verification_uri, shown.user_code))


def play(provider: OidcProvider, story: Callable[[OidcPlace], Awaitable[T]], **changes: Any) -> T:
    async def run() -> T:
        clock = SystemClock()
        transport = Transport(clock=clock)
        identity = an_identity(provider.url, **{"client_id": PEOPLE, **changes})
        try:
            return await story(OidcPlace(identity, transport, clock, {VARIABLE: SERVICE_SECRET}))
        finally:
            await transport.aclose()

    return asyncio.run(run())


@pytest.mark.parametrize("way", ["browser", "device"])
def test_a_person_logs_in_and_gets_tokens(oidc_provider: OidcProvider, way: str) -> None:
    """By PKCE or by a device code, and then by refresh tokens that rotate."""

    async def story(place: OidcPlace) -> None:
        person = browsing() if way == "browser" else typing()
        session = await place.log_in(person, has_browser=way == "browser")
        assert session.refresh_token
        for _ in range(3):
            token = await place.source.fetch_token(session.owner)
            assert token.subject == session.sub
            assert token.audiences == (PEOPLE,)
            assert token.claims["preferred_username"] == "alice"
        restarted = place.source_of(place.identity, place.another_keeper())
        assert await restarted.fetch_token(session.owner)

    play(oidc_provider, story)


def test_an_access_token_for_a_store(oidc_provider: OidcProvider) -> None:
    """A JWT for the resource that was asked for, after every refresh too."""

    async def story(place: OidcPlace) -> None:
        session = await place.log_in(browsing())
        for _ in range(2):
            token = await place.source.fetch_token(session.owner)
            assert token.audiences == (RESOURCE,)

    play(oidc_provider, story, token="access", resource=RESOURCE)


def test_without_offline_access_the_login_ends_with_its_token(oidc_provider: OidcProvider) -> None:
    """There is no refresh token then."""

    async def story(place: OidcPlace) -> None:
        session = await place.log_in(browsing())
        assert session.refresh_token is None
        assert (await place.source.fetch_token(session.owner)).jwt == session.token

    play(oidc_provider, story, scopes=("openid",))


def test_a_refresh_token_used_twice_ends_the_login(oidc_provider: OidcProvider) -> None:
    """For the one who was first as well."""

    async def story(place: OidcPlace) -> None:
        session = await place.log_in(browsing())
        await place.source.fetch_token(session.owner)
        newer = place.keeper.held_session
        assert isinstance(newer, OidcSession)
        for one in (session, replace(newer)):
            await place.keeper.keep_session(one)
            with pytest.raises(LoginRequired, match="no longer accepts"):
                await place.source.fetch_token(session.owner)

    play(oidc_provider, story)


def test_many_callers_share_a_refresh(oidc_provider: OidcProvider) -> None:
    """So that none of them ends the login."""

    async def story(place: OidcPlace) -> None:
        session = await place.log_in(browsing())
        for _ in range(3):
            await asyncio.gather(
                *(place.source.fetch_token(session.owner) for _ in range(20)),
                *(place.source_of(place.identity).fetch_token(session.owner) for _ in range(5)),
            )

    play(oidc_provider, story)


def test_two_people_are_two_subjects(oidc_provider: OidcProvider) -> None:
    """On the same client."""

    async def story(place: OidcPlace) -> None:
        owners = [(await place.log_in(browsing(name))).owner for name in ("alice", "bob")]
        assert len(set(owners)) == 2

    play(oidc_provider, story)


@pytest.mark.parametrize("way", ["browser", "device"])
def test_a_person_says_no(oidc_provider: OidcProvider, way: str) -> None:
    """Nobody waits any longer."""

    def cancel(person: Person, url: str) -> None:
        httpx.get(person.refuse(url), trust_env=False)

    async def story(place: OidcPlace) -> None:
        person = Someone(cancel) if way == "browser" else typing(Person.deny)
        with pytest.raises(LoginFailed, match=r"refused|denied"):
            await place.log_in(person, has_browser=way == "browser")

    play(oidc_provider, story)


@pytest.mark.parametrize("client", [SERVICE, "service-post", "service-key"])
def test_a_service_gets_tokens(oidc_provider: OidcProvider, tmp_path: Path, client: str) -> None:
    """With a secret in the header or in the form, or with a key."""
    key = tmp_path / "key.pem"
    key.touch(0o600)
    key.write_text(private_key_pem())
    shown: dict[str, Any] = {"secret": SecretPlace(variable=VARIABLE)}
    if client == "service-key":
        shown = {"private_key_file": key}

    async def story(place: OidcPlace) -> None:
        token = await place.service.fetch_token(await place.service.subject())
        assert token.audiences == (RESOURCE,)
        assert token.claims["preferred_username"] == client

    settings = {"client_id": client, "flow": "client_credentials", "token": "access"}
    play(oidc_provider, story, resource=RESOURCE, **settings, **shown)


def test_a_client_that_nobody_knows_is_told(oidc_provider: OidcProvider) -> None:
    """By its name."""

    async def story(place: OidcPlace) -> None:
        with pytest.raises(IssuerRefused, match="does not accept the client 'nobody'"):
            await place.service.fetch_token(await place.service.subject())

    secret = SecretPlace(variable=VARIABLE)
    play(oidc_provider, story, client_id="nobody", secret=secret, resource=RESOURCE)
