"""Logging in at an OpenID Connect issuer on another device."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from agentkeys.errors import AgentkeysError, IssuerInvalid, IssuerRefused, LoginFailed
from agentkeys.sessions import OidcSession
from tests.fakes.issuer import FakeIssuer
from tests.support.moved_clock import MovedClock
from tests.support.oidc_place import OidcPlace, Onlooker, play_oidc


class Nap:
    """Sleeping moves the clock; `naps` is how long each was."""

    def __init__(self, clock: MovedClock) -> None:
        self.naps: list[float] = []
        self._clock = clock

    async def __call__(self, seconds: float) -> None:
        self.naps.append(seconds)
        self._clock.move(timedelta(seconds=seconds))


def log_in(
    prepare: Callable[[FakeIssuer], object] = lambda _: None, **changes: Any
) -> tuple[OidcSession | AgentkeysError, Onlooker, list[float]]:
    """What came of a login, what was shown, and how long it waited each time."""

    async def story(
        place: OidcPlace, issuer: FakeIssuer
    ) -> tuple[OidcSession | AgentkeysError, Onlooker, list[float]]:
        prepare(issuer)
        person = Onlooker()
        assert isinstance(place.clock, MovedClock)
        nap = Nap(place.clock)
        try:
            session: OidcSession | AgentkeysError = await place.log_in(
                person, has_browser=False, sleep=nap, patience=timedelta(minutes=5)
            )
        except AgentkeysError as problem:
            session = problem
        return session, person, nap.naps

    came_of_it, person, naps = play_oidc(story, **changes)
    if isinstance(came_of_it, AgentkeysError):
        assert came_of_it.message.isprintable()
        assert came_of_it.hint
    return came_of_it, person, naps


def says(*errors: str) -> Callable[[FakeIssuer], None]:
    return lambda issuer: issuer.device_says.extend(errors)


def test_a_person_logs_in_elsewhere() -> None:
    """They see an address and a code; the issuer is polled as often as it wants."""
    session, person, naps = log_in(says("authorization_pending", "authorization_pending"))
    assert isinstance(session, OidcSession)
    assert session.sub == "alice"
    assert session.refresh_token
    [prompt] = person.prompts
    assert prompt.user_code == "WDJB-MJHT"
    assert prompt.verification_uri.endswith("/activate")
    assert str(prompt.complete_uri).endswith("/activate?user_code=WDJB-MJHT")
    assert prompt.lifetime == timedelta(minutes=5)
    assert naps == [5.0, 5.0, 5.0]


def test_what_is_asked_of_the_issuer() -> None:
    """The client, the scopes, and consent to a refresh token."""

    async def story(place: OidcPlace, issuer: FakeIssuer) -> None:
        assert isinstance(place.clock, MovedClock)
        await place.log_in(Onlooker(), has_browser=False, sleep=Nap(place.clock))
        [started] = [request.form for request in issuer.requests_to("/device")]
        [polled] = [request.form for request in issuer.requests_to("/token")]
        assert started == {
            "client_id": "people",
            "scope": "openid profile offline_access",
            "prompt": "consent",
            "resource": "urn:store",
        }
        assert polled["grant_type"] == "urn:ietf:params:oauth:grant-type:device_code"
        assert polled["resource"] == "urn:store"

    play_oidc(story, resource="urn:store")


@pytest.mark.parametrize(
    ("flow", "has_browser", "listed", "takes"),
    [
        ("auto", True, True, "browser"),
        ("auto", False, True, "device"),
        ("auto", False, False, "browser"),
        ("browser", False, True, "browser"),
        ("device", True, True, "device"),
    ],
)
def test_which_way_a_person_goes(flow: str, has_browser: bool, listed: bool, takes: str) -> None:
    """The configured one; else a browser where there is one, or where there is no other way."""

    async def story(place: OidcPlace, issuer: FakeIssuer) -> None:
        if not listed:
            issuer.metadata["device_authorization_endpoint"] = None
        assert isinstance(place.clock, MovedClock)
        person = Onlooker()
        wait = {"sleep": Nap(place.clock), "patience": timedelta(seconds=0.1)}
        with pytest.raises(LoginFailed, match="in time"):
            await place.log_in(person, has_browser=has_browser, **wait)
        assert bool(person.addresses) == (takes == "browser")
        assert bool(person.prompts) == (takes == "device")

    play_oidc(story, flow=flow)


def test_polling_slows_down_when_it_is_told_to() -> None:
    """Five seconds each time, for good."""
    session, _, naps = log_in(says("slow_down", "authorization_pending", "slow_down"))
    assert isinstance(session, OidcSession)
    assert naps == [5.0, 10.0, 10.0, 15.0]


def test_an_issuer_that_fails_is_asked_less_and_less() -> None:
    """It does not end the login: it may be restarting."""

    def prepare(issuer: FakeIssuer) -> None:
        issuer.answer_with("/token", 503, b"<html>", times=2)
        issuer.answer_with("/token", 429)

    session, _, naps = log_in(prepare)
    assert isinstance(session, OidcSession)
    assert naps == [5.0, 10.0, 20.0, 40.0]


@pytest.mark.parametrize(
    ("error", "words", "kind"),
    [
        ("access_denied", "denied on the other device", LoginFailed),
        ("expired_token", "the code has expired", LoginFailed),
        ("invalid_grant", "invalid_grant", IssuerRefused),
        ("unheard_of", "unheard_of", IssuerRefused),
    ],
)
def test_every_other_refusal_is_final(error: str, words: str, kind: type[AgentkeysError]) -> None:
    """One line, and what to do."""
    problem, _, naps = log_in(says("authorization_pending", error))
    assert isinstance(problem, kind)
    assert words in problem.message
    assert len(naps) == 2


@pytest.mark.parametrize(("lives", "polls"), [(600, 59), (30, 5), (3, 0)])
def test_nobody_is_waited_for_for_ever(lives: int, polls: int) -> None:
    """As long as the code lives, and five minutes at most, on our own clock."""

    def prepare(issuer: FakeIssuer) -> None:
        issuer.device["expires_in"] = lives
        issuer.device_says.extend(["authorization_pending"] * 500)

    problem, person, naps = log_in(prepare)
    assert isinstance(problem, LoginFailed)
    assert "in time" in problem.message
    assert problem.hint == "run: agentkeys login me"
    assert len(naps) == polls
    assert person.prompts[0].lifetime == timedelta(seconds=min(lives, 300))


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param({"device_code": None}, id="no device code"),
        pytest.param({"device_code": 7}, id="a number for one"),
        pytest.param({"user_code": ""}, id="an empty code"),
        pytest.param({"user_code": "A\x1b[2J"}, id="a code that a terminal obeys"),
        pytest.param({"user_code": "A" * 65}, id="a long code"),
        pytest.param({"user_code": None}, id="no code"),
        pytest.param({"verification_uri": None}, id="no address"),
        pytest.param({"verification_uri": "javascript:alert(1)"}, id="a script"),
        pytest.param({"verification_uri": "file:///etc/passwd"}, id="a file"),
        pytest.param({"verification_uri": "https://a\n/b"}, id="two lines"),
        pytest.param({"verification_uri": "https://[::1"}, id="no host"),
        pytest.param({"verification_uri_complete": "javascript:1"}, id="a script with the code"),
        pytest.param({"verification_uri_complete": ["x"]}, id="a list"),
        pytest.param({"expires_in": None}, id="no lifetime"),
        pytest.param({"expires_in": "600"}, id="text for a lifetime"),
        pytest.param({"expires_in": 0}, id="no time"),
        pytest.param({"expires_in": True}, id="true"),
        pytest.param({"interval": -1}, id="a negative interval"),
        pytest.param({"interval": "5"}, id="text for an interval"),
    ],
)
def test_an_answer_that_begins_nothing_is_refused(answer: dict[str, Any]) -> None:
    """A person would follow it, and their terminal show it."""
    problem, person, _ = log_in(lambda issuer: issuer.device.update(answer))
    assert isinstance(problem, IssuerInvalid)
    assert not person.prompts


def test_an_issuer_may_leave_out_what_it_can() -> None:
    """Then it is polled every five seconds, and there is no address with the code in it."""

    def prepare(issuer: FakeIssuer) -> None:
        issuer.device.update(interval=None, verification_uri_complete=None)

    session, person, naps = log_in(prepare)
    assert isinstance(session, OidcSession)
    assert (naps, person.prompts[0].complete_uri) == ([5.0], None)


def test_a_slow_issuer_is_polled_once_a_minute_at_least() -> None:
    """Whatever interval it names."""
    _, _, naps = log_in(lambda issuer: issuer.device.update(interval=10_000))
    assert naps == [60.0]


def test_a_device_code_s_end_may_be_far() -> None:
    """We do not wait for it."""
    _, person, _ = log_in(lambda issuer: issuer.device.update(expires_in=10**12))
    assert person.prompts[0].lifetime == timedelta(minutes=5)


def test_an_issuer_without_it_says_so() -> None:
    """The way was configured."""

    def prepare(issuer: FakeIssuer) -> None:
        issuer.metadata["device_authorization_endpoint"] = None

    problem, _, _ = log_in(prepare, flow="device")
    assert isinstance(problem, IssuerInvalid)
    assert 'flow = "browser"' in problem.hint


def test_the_id_token_is_verified() -> None:
    """Though there is no nonce in it."""
    problem, _, _ = log_in(lambda issuer: issuer.claims.update(aud="somebody"))
    assert isinstance(problem, LoginFailed)
    assert "cannot be trusted" in problem.message


def test_the_device_code_is_in_no_error() -> None:
    """Whoever has it could get the tokens."""

    def prepare(issuer: FakeIssuer) -> None:
        said = "device-00000001 is unknown"
        issuer.answer_with("/token", 400, {"error": "nope", "error_description": said})

    problem, _, _ = log_in(prepare)
    assert isinstance(problem, IssuerRefused)
    assert "device-" not in problem.message
