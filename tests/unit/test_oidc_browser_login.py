"""Logging in at an OpenID Connect issuer with a browser on this machine."""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

import httpx
import pytest

from agentkeys.errors import (
    IssuerInvalid,
    IssuerRefused,
    IssuerUnreachable,
    LoginFailed,
    TokenInvalid,
    WrongIdentity,
)
from agentkeys.sessions import OidcSession
from tests.fakes.issuer import CLIENT, DISCOVERY, FakeIssuer
from tests.support.oidc_place import Browser, OidcPlace, Onlooker, play_oidc

Prepare = Callable[[FakeIssuer], object]


def log_in(
    prepare: Prepare = lambda _: None, person: Onlooker | None = None, **changes: Any
) -> OidcSession:
    """The session of a login at an issuer that was prepared first."""

    async def story(place: OidcPlace, issuer: FakeIssuer) -> OidcSession:
        prepare(issuer)
        return await place.log_in(person)

    return play_oidc(story, **changes)


def callback_of(url: str, changes: Mapping[str, str | None]) -> str:
    """Where a browser would be sent that asked for `url`, with `changes` to the parameters."""
    asked = dict(parse_qsl(urlsplit(url).query))
    given = {"code": "made-up", "state": asked["state"], **changes}
    return f"{asked['redirect_uri']}?" + urlencode({k: v for k, v in given.items() if v})


def test_a_person_logs_in() -> None:
    """Their login is kept by its refresh token; the issuer does not say how long that lives."""

    async def story(place: OidcPlace, issuer: FakeIssuer) -> None:
        session = await place.log_in()
        assert (session.issuer, session.client_id, session.sub) == (issuer.url, CLIENT, "alice")
        assert session.refresh_token
        assert (session.token, session.expires_at) == (None, None)

    play_oidc(story)


def test_what_is_asked_of_the_issuer() -> None:
    """PKCE by S256, a state, a nonce, a loopback address, and consent to a refresh token."""

    async def story(place: OidcPlace, issuer: FakeIssuer) -> None:
        await place.log_in()
        [asked] = [request.query for request in issuer.requests_to("/authorize")]
        [exchanged] = [request.form for request in issuer.requests_to("/token")]
        assert asked["response_type"] == "code"
        assert asked["client_id"] == CLIENT
        assert asked["scope"] == "openid profile offline_access"
        assert asked["prompt"] == "consent"
        assert asked["code_challenge_method"] == "S256"
        assert asked["redirect_uri"].startswith("http://127.0.0.1:")
        assert asked["redirect_uri"].endswith("/callback")
        assert min(len(asked["state"]), len(asked["nonce"])) >= 43
        assert len(exchanged["code_verifier"]) == 64
        assert exchanged["client_id"] == CLIENT
        assert "client_secret" not in exchanged

    play_oidc(story)


@pytest.mark.parametrize(
    ("listed", "configured", "asked"),
    [
        (["openid"], None, "openid"),
        (None, None, "openid"),
        (["openid", "offline_access"], None, "openid offline_access"),
        (["openid"], ("openid", "groups"), "openid groups"),
    ],
)
def test_scopes_are_those_configured_or_those_that_help(
    listed: list[str] | None, configured: tuple[str, ...] | None, asked: str
) -> None:
    """Only what the issuer lists is asked for unconfigured; others refuse the whole login."""

    async def story(place: OidcPlace, issuer: FakeIssuer) -> None:
        issuer.metadata["scopes_supported"] = listed
        await place.log_in()
        [request] = issuer.requests_to("/authorize")
        assert request.query["scope"] == asked
        assert ("prompt" in request.query) == ("offline" in asked)

    play_oidc(story, scopes=configured)


def test_scopes_that_do_not_say_who_logs_in_are_refused() -> None:
    """Before anybody is sent anywhere."""
    person = Onlooker()
    with pytest.raises(LoginFailed, match="scopes of me") as caught:
        log_in(person=person, scopes=("profile",))
    assert "openid" in caught.value.hint
    assert not person.addresses


def test_audience_and_resource_are_passed_on() -> None:
    """With the login and with what it is exchanged for."""

    async def story(place: OidcPlace, issuer: FakeIssuer) -> None:
        await place.log_in()
        for sent in (
            issuer.requests_to("/authorize")[0].query,
            issuer.requests_to("/token")[0].form,
        ):
            assert (sent["audience"], sent["resource"]) == ("api", "urn:store")

    play_oidc(story, requested_audience="api", resource="urn:store")


def test_a_login_without_a_refresh_token_keeps_its_token() -> None:
    """Until that expires."""

    async def story(place: OidcPlace, issuer: FakeIssuer) -> None:
        issuer.gives_refresh_tokens = False
        session = await place.log_in()
        assert session.refresh_token is None
        assert session.token
        assert session.expires_at == place.clock.now() + timedelta(minutes=5)

    play_oidc(story)


@pytest.mark.parametrize(("says", "lives"), [(1800, 1800), (0, None), ("x", None), (True, None)])
def test_an_issuer_may_say_how_long_a_login_lives(says: object, lives: int | None) -> None:
    """As Keycloak does, whose 0 means for ever."""

    async def story(place: OidcPlace, issuer: FakeIssuer) -> None:
        issuer.tokens["refresh_expires_in"] = says
        session = await place.log_in()
        ends = place.clock.now() + timedelta(seconds=lives) if lives else None
        assert session.expires_at == ends

    play_oidc(story)


def test_the_last_page_lets_the_person_go() -> None:
    """It is plain, names nothing, is kept nowhere and tells nobody where it was."""
    person = Browser()
    log_in(person=person)
    [page] = person.pages
    assert page.status_code == 200
    assert "You can close this window" in page.text
    assert '<html lang="en">' in page.text
    assert page.headers["cache-control"] == "no-store"
    assert page.headers["referrer-policy"] == "no-referrer"
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "code" not in page.text


@pytest.mark.parametrize(
    "strange",
    [
        pytest.param({"state": "guessed"}, id="a wrong state"),
        pytest.param({"state": None}, id="no state"),
        pytest.param({"state": "guessed", "error": "access_denied", "code": None}, id="a refusal"),
        pytest.param({"state": "é"}, id="a state of other letters"),
    ],
)
def test_a_redirect_with_another_state_changes_nothing(strange: dict[str, str | None]) -> None:
    """Any page can send a browser there: it is told so, and the login goes on waiting."""
    strangers = []

    def trip(url: str) -> httpx.Response:
        strangers.append(Browser.go(callback_of(url, strange)))
        return Browser.go(url)

    person = Browser(trip)
    assert log_in(person=person).sub == "alice"
    [page], [stranger] = person.pages, strangers
    assert page.status_code == 200
    assert stranger.status_code == 400
    assert "Not the login that was begun" in stranger.text


def test_a_parameter_that_comes_twice_makes_no_sense() -> None:
    """It is not for us to pick one."""
    strangers = []

    def trip(url: str) -> httpx.Response:
        strangers.append(Browser.go(callback_of(url, {}) + "&code=another"))
        return Browser.go(url)

    assert log_in(person=Browser(trip)).sub == "alice"
    assert strangers[0].status_code == 400


def test_whatever_else_arrives_is_answered_and_forgotten() -> None:
    """Browsers ask for icons, open connections for later, and other programs look around."""
    answers: list[int] = []

    def trip(url: str) -> httpx.Response:
        back = parse_qs(urlsplit(url).query)["redirect_uri"][0]
        where = urlsplit(back)
        right = callback_of(url, {})
        with socket.create_connection((str(where.hostname), int(where.port or 0))) as silent:
            for method, address in (
                ("GET", back.replace("/callback", "/favicon.ico")),
                ("POST", right),
                ("HEAD", right),
                ("GET", back),
                ("GET", f"{back}?" + "&".join(f"a{n}=1" for n in range(99))),
            ):
                answers.append(httpx.request(method, address, trust_env=False).status_code)
            for rubbish in (b"\x16\x03\x01\x02\x00", b"GET /" + b"a" * 40_000, b"A B\r\n\r\n"):
                with socket.create_connection(silent.getpeername()) as visitor:
                    visitor.sendall(rubbish)
                    try:
                        while visitor.recv(4096):
                            pass
                    except ConnectionError:
                        pass
            return Browser.go(url)

    assert log_in(person=Browser(trip)).sub == "alice"
    assert answers == [404, 404, 404, 400, 400]


def test_a_crowd_at_the_door_keeps_nobody_out() -> None:
    """Of more connections than anybody needs the oldest have to go: staying gains nothing."""

    def trip(url: str) -> httpx.Response:
        where = urlsplit(parse_qs(urlsplit(url).query)["redirect_uri"][0])
        door = str(where.hostname), int(where.port or 0)
        crowd = [socket.create_connection(door) for _ in range(40)]
        for visitor in crowd[:8]:
            visitor.settimeout(20)
            with suppress(ConnectionError):
                assert visitor.recv(1) == b""
        page = Browser.go(url)
        for visitor in crowd:
            visitor.close()
        return page

    assert log_in(person=Browser(trip)).sub == "alice"


def test_a_refused_login_is_told_on_both_sides() -> None:
    """The person said no, or the issuer did."""
    person = Browser(lambda url: Browser.go(callback_of(url, DENIED)))
    with pytest.raises(
        LoginFailed, match=r"refused the login \(access_denied\): not today"
    ) as caught:
        log_in(person=person)
    assert "agree" in caught.value.hint
    assert "The login was refused" in person.pages[0].text


DENIED = {"code": None, "error": "access_denied", "error_description": "not\ntoday"}


@pytest.mark.parametrize("brought", [{"code": None}, {"error": "invalid_scope"}])
def test_a_redirect_without_a_code_ends_the_login(brought: dict[str, str | None]) -> None:
    """It has our state, so that nothing else will come."""
    person = Browser(lambda url: Browser.go(callback_of(url, brought)))
    with pytest.raises(LoginFailed, match="the issuer refused the login"):
        log_in(person=person)


@pytest.mark.parametrize("iss", ["https://other.example.com", None])
def test_a_redirect_by_another_issuer_is_refused(iss: str | None) -> None:
    """RFC 9207: the code of one issuer must not be shown to another."""

    def prepare(issuer: FakeIssuer) -> None:
        issuer.redirect["iss"] = iss
        if iss is None:
            issuer.metadata["authorization_response_iss_parameter_supported"] = True

    with pytest.raises(LoginFailed, match="the login came back from"):
        log_in(prepare)


def test_a_redirect_that_names_its_issuer_is_taken() -> None:
    """Whether it was announced or not."""

    async def story(place: OidcPlace, issuer: FakeIssuer) -> None:
        issuer.redirect["iss"] = issuer.url
        assert await place.log_in()

    play_oidc(story)


def test_nobody_is_waited_for_for_ever() -> None:
    """On our own clock."""

    async def story(place: OidcPlace, issuer: FakeIssuer) -> None:
        with pytest.raises(LoginFailed, match="in time") as caught:
            await place.log_in(Onlooker(), patience=timedelta(seconds=0.2))
        assert caught.value.hint == "run: agentkeys login me"

    play_oidc(story)


def test_a_port_of_one_s_own_is_used() -> None:
    """For issuers that know but one address; and it is free again afterwards."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]

    async def story(place: OidcPlace, issuer: FakeIssuer) -> None:
        for _ in range(2):
            await place.log_in()
        for request in issuer.requests_to("/authorize"):
            assert request.query["redirect_uri"] == f"http://127.0.0.1:{port}/callback"

    play_oidc(story, redirect_port=port)


def test_a_port_that_is_taken_is_said_to_be() -> None:
    """Before anybody is sent anywhere."""
    person = Onlooker()
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(LoginFailed, match=f"port {port} on 127.0.0.1") as caught:
            log_in(person=person, redirect_port=port)
    assert "redirect_port" in caught.value.hint
    assert not person.addresses


@pytest.mark.parametrize(
    ("claims", "why"),
    [
        ({"iss": "https://other.example.com"}, "iss"),
        ({"aud": "somebody"}, "aud"),
        ({"aud": [CLIENT, "somebody"]}, "azp"),
        ({"azp": "somebody"}, "azp"),
        ({"exp": 1_000_000_000}, "expired"),
        ({"exp": None}, "exp"),
        ({"nonce": "replayed"}, "nonce"),
        ({"nonce": None}, "nonce"),
        ({"at_hash": "AAAAAAAAAAAAAAAAAAAAAA"}, "at_hash"),
        ({"sub": None}, "sub"),
        ({"at_hash": ["x"]}, "it is malformed"),
        ({"nonce": ["x"]}, "nonce"),
        ({"aud": {"people": 1}}, "aud|malformed"),
        ({"exp": "soon"}, "exp|malformed"),
        ({"iss": 7}, "iss"),
        ({"iat": 4_000_000_000}, "issued in the future"),
    ],
)
def test_an_id_token_that_is_not_for_this_login_is_refused(
    claims: dict[str, Any], why: str
) -> None:
    """Each of its claims is looked at."""

    def prepare(issuer: FakeIssuer) -> None:
        issuer.claims = claims

    with pytest.raises(LoginFailed, match=rf"cannot be trusted \(.*({why})"):
        log_in(prepare)


def test_an_id_token_by_another_key_is_refused() -> None:
    """Though it has the right key's name."""

    def prepare(issuer: FakeIssuer) -> None:
        issuer.signed_with = "another"

    with pytest.raises(LoginFailed, match="cannot be trusted") as caught:
        log_in(prepare)
    assert "eyJ" not in caught.value.message


@pytest.mark.parametrize("token", ["", "a.b.c", "eyJhbGciOiJub25lIn0.e30.", "not a token"])
def test_what_is_no_id_token_is_refused(token: str) -> None:
    """An unsigned one too."""

    def prepare(issuer: FakeIssuer) -> None:
        issuer.tokens["id_token"] = token or None

    with pytest.raises(LoginFailed) as caught:
        log_in(prepare)
    assert caught.value.hint


def test_an_algorithm_that_the_issuer_does_not_list_is_refused() -> None:
    """An issuer of which nobody knows more signs with RS256."""

    def prepare(issuer: FakeIssuer) -> None:
        issuer.metadata["id_token_signing_alg_values_supported"] = None

    with pytest.raises(LoginFailed, match="cannot be trusted"):
        log_in(prepare)


@pytest.mark.parametrize(
    ("path", "status", "body", "kind", "words"),
    [
        ("/token", 200, b"<html>", IssuerInvalid, "something else than tokens"),
        ("/token", 200, {}, IssuerInvalid, "without a token"),
        ("/token", 400, b"<html>", IssuerRefused, "status 400"),
        ("/token", 400, {"error": "invalid_grant"}, IssuerRefused, "invalid_grant"),
        ("/token", 401, b"", IssuerRefused, "does not accept the client 'people'"),
        ("/token", 503, b"<html>", IssuerUnreachable, "answered 503"),
        ("/token", 302, b"", IssuerRefused, "redirect"),
        ("/jwks", 200, b"<html>", IssuerInvalid, "something else than its keys"),
        ("/jwks", 200, {}, LoginFailed, "cannot be trusted"),
        ("/jwks", 200, {"keys": [{"kty": "EC"}]}, LoginFailed, "cannot be trusted"),
        ("/jwks", 200, {"keys": [7, {"kty": "RSA", "n": 3}]}, LoginFailed, "cannot be trusted"),
        (DISCOVERY, 200, b"<html>", IssuerInvalid, "its description"),
    ],
)
def test_an_issuer_s_bad_answers_end_the_login(
    path: str, status: int, body: object, kind: type[Exception], words: str
) -> None:
    """One line each."""

    def prepare(issuer: FakeIssuer) -> None:
        issuer.answer_with(path, status, body)

    with pytest.raises(kind, match=words) as caught:
        log_in(prepare)
    assert str(caught.value).isprintable()


def test_an_issuer_without_keys_or_pages_is_told_so() -> None:
    """Nobody could verify its tokens, or log in with a browser."""
    with pytest.raises(IssuerInvalid, match="publishes no keys"):
        log_in(lambda issuer: issuer.metadata.update(jwks_uri=None))
    with pytest.raises(IssuerInvalid, match="no page to log in at"):
        log_in(lambda issuer: issuer.metadata.update(authorization_endpoint=None), flow="browser")


def test_an_access_token_for_stores_must_be_a_jwt() -> None:
    """It is found out at once, and not by the store."""
    with pytest.raises(TokenInvalid, match="is not a JWT") as caught:
        log_in(token="access")
    assert "audience or resource" in caught.value.hint


def test_an_access_token_of_another_issuer_is_refused() -> None:
    """Some issuers have two names, and the store knows one."""

    async def story(place: OidcPlace, issuer: FakeIssuer) -> None:
        issuer.access_claims = {"iss": "https://other.example.com"}
        with pytest.raises(WrongIdentity, match="names another issuer"):
            await place.log_in()

    play_oidc(story, token="access")


def test_nobody_logs_in_as_a_service() -> None:
    """It is the client itself."""
    person = Onlooker()
    with pytest.raises(LoginFailed, match="it is a service"):
        log_in(person=person, flow="client_credentials")
    assert not person.addresses
