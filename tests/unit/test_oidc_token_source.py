"""Web identity tokens of a person who has logged in at an OpenID Connect issuer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from agentkeys.errors import (
    AgentkeysError,
    IssuerInvalid,
    IssuerRefused,
    IssuerUnreachable,
    LoginRequired,
    TokenInvalid,
    VaultLocked,
    VaultUnavailable,
    WrongIdentity,
)
from agentkeys.leases.minting import MINT_LIMIT
from agentkeys.secret import Secret
from agentkeys.sessions import OidcSession
from agentkeys.tokens import TokenSource
from agentkeys.tokens.oidc import OidcTokenSource
from agentkeys.transport import Answer, Transport
from tests.fakes.issuer import FakeIssuer
from tests.support.moved_clock import MovedClock
from tests.support.oidc_place import HastyTransport, OidcPlace, play_oidc
from tests.support.tokens import mismade_jwt

Story = Callable[[OidcPlace, FakeIssuer], Awaitable[None]]


def refreshes(issuer: FakeIssuer) -> list[str]:
    """The refresh tokens that were used, in their order."""
    forms = [request.form for request in issuer.requests_to("/token")]
    return [form["refresh_token"] for form in forms if form["grant_type"] == "refresh_token"]


def held(place: OidcPlace) -> OidcSession:
    session = place.keeper.held_session
    assert isinstance(session, OidcSession)
    return session


async def refused(
    place: OidcPlace, kind: type[AgentkeysError], words: str, subject: str | None = None
) -> AgentkeysError:
    """The error of a fetch: one line, a hint, and no secret in either."""
    with pytest.raises(kind, match=words) as caught:
        await place.source.fetch_token(subject or await place.source.subject())
    message = caught.value.message
    assert message.isprintable()
    assert caught.value.hint.isprintable()
    assert caught.value.hint
    assert "refresh-0" not in message + caught.value.hint
    return caught.value


# Whose tokens they are.


def test_a_login_gives_tokens_of_whoever_logged_in() -> None:
    """A fresh one each time, by a refresh token that is used once."""

    async def story(place: OidcPlace, issuer: FakeIssuer) -> None:
        session = await place.log_in()
        subject = await place.source.subject()
        assert subject == place.source.held_subject() == session.owner == f"{issuer.url} alice"
        tokens = [await place.source.fetch_token(subject) for _ in range(3)]
        assert {token.subject for token in tokens} == {"alice"}
        assert {token.audiences for token in tokens} == {("people",)}
        assert len({token.jwt for token in tokens}) == 3
        assert len(set(refreshes(issuer))) == 3

    play_oidc(story)


def test_nobody_is_logged_in_at_first() -> None:
    """And whoever logged in at another issuer, or for another client, is nobody here."""

    async def story(place: OidcPlace, issuer: FakeIssuer) -> None:
        assert place.source.held_subject() is None
        await refused(place, LoginRequired, "nobody is logged in")
        session = await place.log_in()
        for other in (
            replace(session, issuer="https://other.example.com"),
            replace(session, client_id="other"),
        ):
            await place.keeper.keep_session(other)
            assert place.source.held_subject() is None
            error = await refused(place, LoginRequired, "the login kept is of")
            assert error.hint == "run: agentkeys login me"
            await refused(place, LoginRequired, "the login kept is of", session.owner)
        assert refreshes(issuer) == []

    play_oidc(story)


def test_a_token_is_never_for_who_logged_in_meanwhile() -> None:
    """The caller asked for somebody else."""

    async def story(place: OidcPlace, issuer: FakeIssuer) -> None:
        await place.log_in()
        subject = await place.source.subject()
        issuer.user = "bob"
        await place.log_in()
        await refused(place, WrongIdentity, "somebody else logged in", subject)

    play_oidc(story)


@pytest.mark.parametrize("claims", [{"sub": "bob"}, {"iss": "https://other.example.com"}])
def test_a_token_of_somebody_else_is_refused(claims: dict[str, str]) -> None:
    """Whatever the issuer answers to the login's refresh token."""

    async def story(place: OidcPlace, issuer: FakeIssuer) -> None:
        await place.log_in()
        issuer.claims = claims
        await refused(place, WrongIdentity, "somebody else|another issuer")

    play_oidc(story)


@pytest.mark.parametrize(
    "how",
    [
        "signed with a shared secret",
        "not signed",
        "not a token",
        "expired",
        "without an expiry",
        "without an audience",
    ],
)
def test_no_mismade_token_is_passed_on(how: str) -> None:
    """And it costs nobody the login."""

    async def story(place: OidcPlace, issuer: FakeIssuer) -> None:
        await place.log_in()
        now = int(place.clock.now().timestamp())
        claims = {"iss": issuer.url, "sub": "alice", "aud": "people", "iat": now, "exp": now + 300}
        issuer.tokens["id_token"] = mismade_jwt(how, claims)
        await refused(place, TokenInvalid, "the web identity token")
        issuer.tokens.clear()
        assert await place.source.fetch_token(await place.source.subject())

    play_oidc(story)


# Refresh tokens that rotate.


def test_a_new_refresh_token_is_kept_before_its_token_is_used() -> None:
    """A daemon that dies right after has not lost the login."""

    async def story(place: OidcPlace, issuer: FakeIssuer) -> None:
        await place.log_in()
        subject = await place.source.subject()
        first = held(place).refresh_token
        await place.source.fetch_token(subject)
        assert held(place).refresh_token != first
        restarted = place.source_of(place.identity, place.another_keeper())
        assert (await restarted.fetch_token(subject)).subject == "alice"
        assert issuer.ended == set()

    play_oidc(story)


def test_many_callers_share_a_refresh() -> None:
    """Of one source or of several: a second use would end the login."""

    async def story(place: OidcPlace, issuer: FakeIssuer) -> None:
        await place.log_in()
        subject = await place.source.subject()
        sources = [place.source_of(place.identity) for _ in range(20)]
        tokens = await asyncio.gather(*(source.fetch_token(subject) for source in sources))
        assert len({token.jwt for token in tokens}) == len(refreshes(issuer)) == 1

    play_oidc(story)


def test_a_refresh_goes_on_when_nobody_waits_for_it() -> None:
    """Its refresh token is used up at the issuer, so that the new one must be kept."""

    async def story(place: OidcPlace, issuer: FakeIssuer) -> None:
        await place.log_in()
        subject = await place.source.subject()
        first = held(place).refresh_token
        issuer.hold()
        fetch = asyncio.create_task(place.source.fetch_token(subject))
        async with asyncio.timeout(20):
            while not refreshes(issuer):  # noqa: ASYNC110 - it is another thread's
                await asyncio.sleep(0.01)
        fetch.cancel()
        with pytest.raises(asyncio.CancelledError):
            await fetch
        issuer.release()
        await place.refreshes.settle()
        assert held(place).refresh_token != first
        assert (await place.source.fetch_token(subject)).subject == "alice"
        assert issuer.ended == set()

    play_oidc(story)


def test_a_refresh_is_waited_for_longer_than_a_token() -> None:
    """An issuer that answers too late for a mint has made a new refresh token all the same."""
    patience: list[float] = []

    class Watched(Transport):
        async def send(self, method: str, url: str, **options: Any) -> Answer:
            if "refresh_token" in (options.get("form") or {}):
                patience.append(options["timeout"])
            return await super().send(method, url, **options)

    async def story(place: OidcPlace, issuer: FakeIssuer) -> None:
        session = await place.log_in()
        await place.source.fetch_token(session.owner)

    play_oidc(story, make_transport=Watched)
    [seconds] = patience
    assert timedelta(seconds=seconds) > 2 * MINT_LIMIT


@pytest.mark.parametrize("logs_in", [None, "bob", "alice"])
def test_a_refresh_does_not_undo_what_happened_meanwhile(logs_in: str | None) -> None:
    """Neither a logout nor another login."""

    async def story(place: OidcPlace, issuer: FakeIssuer) -> None:
        session = await place.log_in()
        issuer.hold()
        fetch = asyncio.create_task(place.source.fetch_token(session.owner))
        async with asyncio.timeout(20):
            while not refreshes(issuer):  # noqa: ASYNC110 - it is another thread's
                await asyncio.sleep(0.01)
        newer = replace(session, sub=str(logs_in), refresh_token=Secret("newer"))
        if logs_in:
            await place.keeper.keep_session(newer)
        else:
            await place.keeper.forget_session()
        issuer.release()
        if logs_in == "alice":
            assert (await fetch).subject == "alice"
        else:
            with pytest.raises(WrongIdentity if logs_in else LoginRequired, match="while"):
                await fetch
        assert place.keeper.held_session is (newer if logs_in else None)

    play_oidc(story)


def test_an_issuer_may_keep_its_refresh_token() -> None:
    """Then so do we, with its end."""

    async def story(place: OidcPlace, issuer: FakeIssuer) -> None:
        issuer.tokens["refresh_expires_in"] = 1800
        await place.log_in()
        issuer.rotates = False
        first = held(place)
        for _ in range(2):
            await place.source.fetch_token(first.owner)
        assert refreshes(issuer) == [first.refresh_token and first.refresh_token.reveal()] * 2
        assert held(place).expires_at == first.expires_at

    play_oidc(story)


def test_each_rotation_may_put_the_end_off() -> None:
    """As Keycloak does while the login is in use."""

    async def story(place: OidcPlace, issuer: FakeIssuer) -> None:
        assert isinstance(place.clock, MovedClock)
        issuer.tokens["refresh_expires_in"] = 1800
        first = await place.log_in()
        place.clock.move(timedelta(minutes=10))
        await place.source.fetch_token(first.owner)
        assert held(place).expires_at == place.clock.now() + timedelta(minutes=30)

    play_oidc(story)


def test_a_refresh_token_used_twice_ends_the_login() -> None:
    """Somebody else has used it: the person logs in again, and nothing is asked until then."""

    async def story(place: OidcPlace, issuer: FakeIssuer) -> None:
        session = await place.log_in()
        await place.source.fetch_token(session.owner)
        await place.keeper.keep_session(session)
        for _ in range(3):
            error = await refused(place, LoginRequired, "no longer accepts")
            assert error.hint == "run: agentkeys login me"
        assert len(refreshes(issuer)) == 2
        assert place.source.held_subject() == session.owner
        await place.log_in()
        assert await place.source.fetch_token(session.owner)

    play_oidc(story)


@pytest.mark.parametrize("error", ["invalid_grant", "interaction_required"])
def test_a_login_that_the_issuer_has_ended_asks_for_another(error: str) -> None:
    """Whichever word it has for that."""

    async def story(place: OidcPlace, issuer: FakeIssuer) -> None:
        await place.log_in()
        issuer.answer_with("/token", 400, {"error": error, "error_description": "sorry"})
        await refused(place, LoginRequired, error)
        assert place.keeper.is_refused

    play_oidc(story)


def test_a_vault_that_fails_costs_no_token() -> None:
    """The new refresh token is in memory, and the keeper says what is wrong."""

    async def story(place: OidcPlace, issuer: FakeIssuer) -> None:
        session = await place.log_in()
        place.vault.problem = VaultUnavailable("gone")
        for _ in range(2):
            assert await place.source.fetch_token(session.owner)
        assert isinstance(place.keeper.trouble, VaultUnavailable)

    play_oidc(story)


def test_a_locked_vault_is_no_missing_login() -> None:
    """Nobody is told to log in."""

    async def story(place: OidcPlace, issuer: FakeIssuer) -> None:
        place.vault.problem = VaultLocked("locked")
        with pytest.raises(VaultLocked):
            await place.source.subject()

    play_oidc(story)


# Issuers that fail.


@pytest.mark.parametrize(
    ("status", "body", "kind", "words"),
    [
        (200, b"<html>please wait</html>", IssuerInvalid, "something else than tokens"),
        (200, {"token_type": "Bearer"}, IssuerInvalid, "without a token"),
        (200, {"id_token": 7, "access_token": ""}, IssuerInvalid, "without a token"),
        (503, b"<html>", IssuerUnreachable, "answered 503"),
        (307, b"", IssuerRefused, "redirect"),
        (401, {"error": "invalid_client"}, IssuerRefused, "does not accept the client 'people'"),
        (400, {"error": "invalid_scope", "error_description": "no\nway"}, IssuerRefused, "no way"),
        (400, {"error": ["x"]}, IssuerRefused, "status 400"),
        (400, {"error": "x" * 9999}, IssuerRefused, "xxx"),
    ],
)
def test_a_token_endpoint_that_fails_costs_nobody_the_login(
    status: int, body: object, kind: type[AgentkeysError], words: str
) -> None:
    """One line, and the next try succeeds."""

    async def story(place: OidcPlace, issuer: FakeIssuer) -> None:
        await place.log_in()
        issuer.answer_with("/token", status, body)
        error = await refused(place, kind, words)
        assert len(error.message) < 500
        assert await place.source.fetch_token(await place.source.subject())

    play_oidc(story)


def test_no_error_repeats_a_refresh_token() -> None:
    """Though the issuer does."""

    async def story(place: OidcPlace, issuer: FakeIssuer) -> None:
        await place.log_in()
        said = f"unknown {held(place).to_document()['refresh_token']}"
        issuer.answer_with("/token", 400, {"error": "nope", "error_description": said})
        await refused(place, IssuerRefused, "nope")

    play_oidc(story)


@pytest.mark.parametrize("how", ["drip", "pour", "hold"])
def test_an_answer_without_an_end_is_not_waited_for(how: str) -> None:
    """Slow, endless, or none at all."""

    async def story(place: OidcPlace, issuer: FakeIssuer) -> None:
        await place.log_in()
        if how == "hold":
            issuer.hold()
        else:
            getattr(issuer, how)("/token")
        error = await refused(place, IssuerUnreachable, "did not answer within|more than 262144")
        assert error.retryable

    play_oidc(story, make_transport=HastyTransport)


def test_an_issuer_that_is_gone_is_told() -> None:
    """The login stays."""

    async def story(place: OidcPlace, issuer: FakeIssuer) -> None:
        session = await place.log_in()
        issuer.metadata["token_endpoint"] = "http://127.0.0.1:1/token"
        other = OidcPlace(place.identity, place.transport, place.clock)
        await other.keeper.keep_session(session)
        error = await refused(other, IssuerUnreachable, "nothing answers at 127.0.0.1:1")
        assert error.retryable

    play_oidc(story)


# Which token.


def test_a_refresh_without_an_id_token_is_told() -> None:
    """Its new refresh token is kept nevertheless, so that another setting helps at once."""

    async def story(place: OidcPlace, issuer: FakeIssuer) -> None:
        await place.log_in()
        first = held(place).refresh_token
        issuer.tokens["id_token"] = None
        error = await refused(place, IssuerRefused, "no ID token")
        assert 'token = "access"' in error.hint
        assert held(place).refresh_token != first

    play_oidc(story)


def test_access_tokens_are_given_where_they_are_jwts() -> None:
    """For the audience that was asked for."""

    async def story(place: OidcPlace, issuer: FakeIssuer) -> None:
        issuer.access_claims = {}
        await place.log_in()
        token = await place.source.fetch_token(await place.source.subject())
        assert token.audiences == ("urn:store",)
        issuer.access_claims = None
        error = await refused(place, TokenInvalid, "access token is not a JWT")
        assert 'token = "id"' in error.hint
        issuer.tokens["access_token"] = None
        error = await refused(place, IssuerRefused, "no access token")

    play_oidc(story, token="access", resource="urn:store")


# Logins without a refresh token.


def test_without_a_refresh_token_the_login_s_own_token_is_given() -> None:
    """Until it expires, without asking anybody."""

    async def story(place: OidcPlace, issuer: FakeIssuer) -> None:
        assert isinstance(place.clock, MovedClock)
        issuer.gives_refresh_tokens = False
        session = await place.log_in()
        asked = len(issuer.requests)
        token = await place.source.fetch_token(session.owner)
        assert token.jwt == session.token
        assert len(issuer.requests) == asked
        place.clock.move(timedelta(minutes=6))
        await refused(place, LoginRequired, "has expired")
        assert place.source.held_subject() == session.owner
        await place.keeper.keep_session(replace(session, token=None, expires_at=None))
        await refused(place, LoginRequired, "gave no refresh token")

    play_oidc(story)


def test_a_login_s_own_token_is_of_whoever_logged_in() -> None:
    """Whatever was handed over or kept under another name."""

    async def story(place: OidcPlace, issuer: FakeIssuer) -> None:
        issuer.gives_refresh_tokens = False
        session = await place.log_in()
        await place.keeper.keep_session(replace(session, sub="bob"))
        await refused(place, LoginRequired, "is not of its login")

    play_oidc(story)


def test_a_wrong_clock_of_ours_ends_no_login() -> None:
    """The issuer's decides, which is asked for it where it has not told."""

    async def story(place: OidcPlace, issuer: FakeIssuer) -> None:
        issuer.gives_refresh_tokens = False
        session = await place.log_in()
        ahead = MovedClock(place.clock.now() + timedelta(hours=3))
        transport = type(place.transport)(clock=ahead)
        restarted = OidcPlace(place.identity, transport, ahead)
        try:
            await restarted.keeper.keep_session(session)
            assert await restarted.source.fetch_token(session.owner)
            issuer.clock.move(timedelta(minutes=6))  # type: ignore[attr-defined]
            await transport.send("GET", f"{issuer.url}/jwks")
            await refused(restarted, LoginRequired, "has expired")
        finally:
            await transport.aclose()

    play_oidc(story)


def test_a_login_that_has_ended_is_not_tried() -> None:
    """Where the issuer said when."""

    async def story(place: OidcPlace, issuer: FakeIssuer) -> None:
        assert isinstance(place.clock, MovedClock)
        issuer.tokens["refresh_expires_in"] = 1800
        session = await place.log_in()
        place.clock.move(timedelta(hours=1))
        await refused(place, LoginRequired, "has expired")
        assert refreshes(issuer) == []
        assert await place.source.subject() == session.owner

    play_oidc(story)


def test_its_type_is_that_of_all_sources() -> None:
    """As far as mypy can tell."""

    async def story(place: OidcPlace, issuer: FakeIssuer) -> None:
        sources: list[TokenSource] = [place.source, place.service]
        assert isinstance(sources[0], OidcTokenSource)

    play_oidc(story)
