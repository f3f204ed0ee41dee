"""One call to the broker, and every way in which it can be refused."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from agentkeys.broker import BrokerClient
from agentkeys.broker_features import BrokerFeatures
from agentkeys.errors import (
    AgentkeysError,
    BrokerRefused,
    BrokerUnreachable,
    LoginRequired,
    TokenError,
)
from agentkeys.secret import Secret
from tests.fakes.broker import MINT, FakeBroker, envelope
from tests.support.calls import at_broker
from tests.support.moved_clock import MovedClock
from tests.support.samples import broker_sample
from tests.support.tokens import ALICE, BOB, session_jwt

SESSION = session_jwt()
PATH = "/v1/something"
DISCOVERY = "/.well-known/openid-configuration"


def mint(broker: FakeBroker, session: str = SESSION) -> Secret:
    return at_broker(broker.url, lambda client: client.mint_oidc_jwt(Secret(session)))


def refusal_of(status: int, body: object, *, bearer: bool = True) -> AgentkeysError:
    """What one call that is answered like this raises."""
    with FakeBroker() as broker:
        broker.answer_with(PATH, status, body)
        session = Secret(SESSION) if bearer else None
        with pytest.raises(TokenError) as refusal:
            at_broker(broker.url, lambda client: client.call("POST", PATH, bearer=session))
        assert len(broker.requests) == 1
    return refusal.value


def test_a_session_is_traded_for_a_token() -> None:
    """One POST with the bearer and no body."""
    with FakeBroker(BOB) as broker:
        session = broker.session_jwt(BOB)
        token = mint(broker, session)
        [request] = broker.requests
    assert token.reveal().count(".") == 2
    assert (request.method, request.path, request.body) == ("POST", MINT, None)
    assert request.headers["authorization"] == f"Bearer {session}"
    assert request.headers.get("content-length", "0") == "0"


def test_every_mint_goes_out() -> None:
    """Nothing is cached here."""
    with FakeBroker() as broker:
        session = broker.session_jwt()
        mint(broker, session)
        mint(broker, session)
        assert broker.mints == 2


def test_unknown_fields_are_ignored() -> None:
    """Brokers grow."""
    with FakeBroker() as broker:
        broker.answer_with(MINT, 200, {"jwt": "h.p.s", "sandbox": {"new": True}, "wallet": 7})
        assert mint(broker) == Secret("h.p.s")


@pytest.mark.parametrize(
    "body",
    [
        pytest.param({}, id="no token"),
        pytest.param({"jwt": None}, id="null"),
        pytest.param({"jwt": ""}, id="empty"),
        pytest.param({"jwt": ["a"]}, id="a list"),
        pytest.param([], id="a list for an answer"),
        pytest.param("token", id="text for an answer"),
        pytest.param(b"", id="nothing"),
        pytest.param(b"<html>sign in</html>", id="a sign-in page"),
        pytest.param(b"[" * 100_000, id="deep nesting"),
        pytest.param(b"\xff\xfe", id="no text"),
    ],
)
def test_a_success_without_a_token_is_none(body: object) -> None:
    """Proxies answer 200 to anything; asking again may reach the broker."""
    with FakeBroker() as broker:
        broker.answer_with(MINT, 200, body)
        with pytest.raises(BrokerUnreachable, match="answered something else") as refusal:
            mint(broker)
    assert "proxy" in refusal.value.hint


# The envelope's table, and what lies beside it.

_REFUSED, _AWAY, _LOGIN = BrokerRefused, BrokerUnreachable, LoginRequired


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        pytest.param(400, envelope("bad_request"), _REFUSED, id="400"),
        pytest.param(401, envelope("unauthorized"), _LOGIN, id="401"),
        pytest.param(403, envelope("forbidden"), _REFUSED, id="403"),
        pytest.param(500, envelope("audit_error"), _AWAY, id="500 audit"),
        pytest.param(500, envelope("internal"), _AWAY, id="500 internal"),
        pytest.param(502, envelope("backend_unreachable"), _AWAY, id="502 backend"),
        pytest.param(502, envelope("sts_error"), _AWAY, id="502 sts"),
        pytest.param(404, b"", _REFUSED, id="404 has no body"),
        pytest.param(405, b"", _REFUSED, id="405 has no body"),
        pytest.param(413, b"too large", _REFUSED, id="413 is text"),
        pytest.param(415, b"Expected JSON", _REFUSED, id="415 is text"),
        pytest.param(422, b"missing field", _REFUSED, id="422 is text"),
        pytest.param(408, b"", _AWAY, id="408"),
        pytest.param(429, b"slow down", _AWAY, id="429"),
        pytest.param(500, b"", _AWAY, id="500 without a body"),
        pytest.param(501, b"<html>", _AWAY, id="501 of a proxy"),
        pytest.param(502, b"<html>", _AWAY, id="502 of a proxy"),
        pytest.param(503, b"<html>", _AWAY, id="503 of a proxy"),
        pytest.param(504, b"<html>", _AWAY, id="504 of a proxy"),
        pytest.param(520, b"<html>", _AWAY, id="520 of a proxy"),
        pytest.param(599, b"", _AWAY, id="599"),
        pytest.param(401, b"<html>", _LOGIN, id="401 of a proxy"),
        pytest.param(403, b"<html>", _REFUSED, id="403 of a proxy"),
        pytest.param(400, {"error": 7, "message": ["x"]}, _REFUSED, id="an envelope of no text"),
        pytest.param(400, ["x"], _REFUSED, id="a list"),
        pytest.param(418, envelope("teapot"), _REFUSED, id="an unknown code"),
        pytest.param(201, {"jwt": "h.p.s"}, _REFUSED, id="201"),
        pytest.param(204, b"", _REFUSED, id="204"),
        pytest.param(301, b"", _REFUSED, id="301"),
        pytest.param(307, b"", _REFUSED, id="307"),
    ],
)
def test_every_answer_has_its_error(status: int, body: object, kind: type[AgentkeysError]) -> None:
    """Whether asking again can help depends on the status alone, whatever the body is."""
    problem = refusal_of(status, body)
    assert type(problem) is kind
    assert problem.retryable == (kind is _AWAY)
    assert problem.hint
    assert "\n" not in problem.message


def test_a_redirect_is_not_followed() -> None:
    """The bearer would go wherever it points."""
    with FakeBroker() as broker, FakeBroker() as elsewhere:
        broker.answer_with(MINT, 307, b"", {"Location": elsewhere.url + MINT})
        with pytest.raises(BrokerRefused):
            mint(broker)
        assert elsewhere.requests == []


def test_401_without_a_bearer_is_no_lost_session() -> None:
    """A challenge that was used up, for example."""
    problem = refusal_of(401, broker_sample("error.401"), bearer=False)
    assert type(problem) is BrokerRefused
    assert "ExpiredSignature" in problem.message


def test_401_with_a_bearer_asks_for_a_login() -> None:
    """Whatever the broker says about it."""
    problem = refusal_of(401, broker_sample("error.401"))
    assert type(problem) is LoginRequired
    assert "agentkeys login" in problem.hint


def test_403_names_whoever_can_help() -> None:
    """Only the account's owner can bind an agent."""
    problem = refusal_of(403, broker_sample("error.403"))
    assert "owner" in problem.hint
    assert "forbidden" in problem.message


@pytest.mark.parametrize(
    ("detail", "seconds"),
    [
        ("rate limited: too many links for this address; retry in 1740s", "1740"),
        ("rate limited: x retry in 5s ", "5"),
    ],
)
def test_a_rate_limit_says_how_long(detail: str, seconds: str) -> None:
    """It comes as a 400; whoever has that time may wait, and nothing here does."""
    problem = refusal_of(400, envelope("bad_request", detail))
    assert type(problem) is BrokerRefused
    assert problem.hint == f"wait {seconds} s and try again"
    assert problem.retry_after == float(seconds)
    assert problem.retryable


@pytest.mark.parametrize("status", [429, 503])
def test_a_proxy_says_how_long_too(status: int) -> None:
    """With the header that HTTP has for it."""
    with FakeBroker() as broker:
        broker.answer_with(PATH, status, b"busy", {"Retry-After": "17"})
        with pytest.raises(BrokerUnreachable) as refusal:
            at_broker(broker.url, lambda client: client.call("POST", PATH))
    assert refusal.value.retry_after == 17


@pytest.mark.parametrize(
    ("status", "detail"),
    [
        pytest.param(400, "rate limited: soon", id="without a time"),
        pytest.param(400, "rate limited: retry in 99999999s", id="an absurd time"),
        pytest.param(403, "rate limited: retry in 5s", id="not a 400"),
        pytest.param(400, "limited: retry in 5s", id="other words"),
    ],
)
def test_what_only_looks_like_a_rate_limit_is_none(status: int, detail: str) -> None:
    """It is a refusal like any other."""
    problem = refusal_of(status, envelope("bad_request", detail))
    assert not problem.hint.startswith("wait")
    assert detail in problem.message


def test_an_old_broker_is_named_with_what_it_lacks() -> None:
    """E-mail logins, for one, are left out of many brokers."""
    problem = refusal_of(404, b"", bearer=False)
    assert f"does not offer {PATH}" in problem.message
    assert "too old" in problem.hint


def test_the_broker_s_words_are_one_bounded_line() -> None:
    """They go to terminals and logs."""
    problem = refusal_of(400, envelope("bad_request", "\x1b[2J\nnext\u202eline " + "x" * 10_000))
    assert problem.message.isprintable()
    assert len(problem.message) < 300


@pytest.mark.parametrize("status", [400, 401, 403, 404, 500])
def test_no_error_repeats_a_token(status: int) -> None:
    """Even of a broker or a proxy that echoes what it was sent, or part of it."""
    echoes = [SESSION, f"bad token: {SESSION}", SESSION[:40], "eyJhbGciOiJI"]
    bodies = [
        envelope("bad_request") | {field: echo} for echo in echoes for field in ("error", "message")
    ]

    async def story(client: BrokerClient) -> list[TokenError]:
        problems = []
        for _ in bodies:
            with pytest.raises(TokenError) as refusal:
                await client.call("POST", PATH, bearer=Secret(SESSION))
            problems.append(refusal.value)
        return problems

    with FakeBroker() as broker:
        for body in bodies:
            broker.answer_with(PATH, status, body)
        for problem in at_broker(broker.url, story):
            assert "eyJ" not in repr(problem) + problem.message + problem.hint


@pytest.mark.parametrize("status", [400, 401, 404, 500])
def test_no_error_repeats_a_ticket(status: int) -> None:
    """The id of a login is as secret as the session that it yields."""
    with FakeBroker() as broker:
        broker.answer_with("/v1/status/eml-0123", status, envelope("bad_request", "no eml-0123"))
        with pytest.raises(TokenError) as refusal:
            at_broker(
                broker.url,
                lambda client: client.call("GET", "/v1/status", ticket=Secret("eml-0123")),
            )
        assert [request.path for request in broker.requests] == ["/v1/status/eml-0123"]
    assert "eml-0123" not in refusal.value.message + refusal.value.hint


@pytest.mark.parametrize("field", ["request_id", "signature", "pop_sig", "pairing_code"])
def test_no_error_repeats_a_proof(field: str) -> None:
    """What was sent in the body to log in, and with it the rest of those words."""
    with FakeBroker() as broker:
        broker.refuse_with(PATH, 400, "bad_request", "cannot use siwe-77")
        with pytest.raises(BrokerRefused) as refusal:
            at_broker(broker.url, lambda client: client.call("POST", PATH, body={field: "siwe-77"}))
    assert "siwe-77" not in refusal.value.message


def test_a_broker_that_is_away_is_unreachable() -> None:
    """With the transport's own words about why."""
    with FakeBroker() as broker:
        url = broker.url
    with pytest.raises(BrokerUnreachable, match=r"nothing answers at 127\.0\.0\.1") as refusal:
        at_broker(url, lambda client: client.mint_oidc_jwt(Secret(SESSION)))
    assert refusal.value.retryable
    assert refusal.value.hint


def test_a_session_that_is_no_header_is_not_sent() -> None:
    """Nor repeated."""
    with FakeBroker() as broker:
        with pytest.raises(BrokerUnreachable) as refusal:
            mint(broker, "line\nbreak")
        assert broker.requests == []
    assert "break" not in str(refusal.value)


def test_many_calls_go_out_at_once() -> None:
    """One that gets no answer holds up no other."""

    async def story(client: BrokerClient) -> list[Secret]:
        return await asyncio.gather(*(client.mint_oidc_jwt(Secret(session)) for _ in range(8)))

    with FakeBroker() as broker:
        session = broker.session_jwt()
        assert len(at_broker(broker.url, story)) == 8
        assert broker.mints == 8


def test_the_fake_takes_its_own_live_sessions_only() -> None:
    """Or tests that rely on its refusals would prove nothing."""
    clock = MovedClock()
    with FakeBroker(clock=clock) as broker:
        session = broker.session_jwt()
        assert mint(broker, session)
        broker.end_session(session)
        foreign = session_jwt(ALICE, issuer="https://other.example.com")
        for refused in (session, foreign, broker.session_jwt()[:-4] + "AAAA"):
            with pytest.raises(LoginRequired):
                mint(broker, refused)
        second = broker.session_jwt()
        assert mint(broker, second)
        clock.move(timedelta(hours=6))
        with pytest.raises(LoginRequired):
            mint(broker, second)


# Which generation it is of, and what it lacks.


def features_of(broker: FakeBroker) -> BrokerFeatures:
    features = at_broker(broker.url, lambda client: client.fetch_features())
    assert features
    return features


@pytest.mark.parametrize(
    ("generation", "tags", "omni", "said"),
    [
        (1, False, False, "April 2026"),
        (2, False, False, "5 May 2026"),
        (3, True, False, "g3 or g4"),
        (4, True, False, "g3 or g4"),
        (5, True, True, "g5 or newer"),
        (9, True, True, "g5 or newer"),
    ],
)
def test_its_discovery_tells_a_broker_s_generation(
    generation: int, tags: bool, omni: bool, said: str
) -> None:
    """There is no version to ask for."""
    with FakeBroker(generation=generation) as broker:
        features = features_of(broker)
    assert features.has_discovery == (generation > 1)
    assert (features.has_tags, features.has_omni) == (tags, omni)
    assert said in features.generation


def test_the_sample_of_a_discovery_document_is_of_a_new_broker() -> None:
    """And any other issuer's is of none."""
    assert BrokerFeatures.of(broker_sample("openid-configuration.200")).has_omni
    for other in ({}, {"claims_supported": None}, {"claims_supported": ["sub"]}):
        assert not BrokerFeatures.of(other).is_broker


def test_a_broker_that_mints_nothing_says_how_old_it_is() -> None:
    """The first of them called STS themselves."""
    with FakeBroker(generation=1) as broker:
        with pytest.raises(BrokerRefused, match=r"April 2026 \(generation g1\)") as refusal:
            mint(broker)
        assert [request.path for request in broker.requests] == [MINT, DISCOVERY]
    assert "too old" in refusal.value.hint


@pytest.mark.parametrize("status", [200, 503])
def test_a_broker_that_is_not_known_to_be_old_is_not_called_that(status: int) -> None:
    """A proxy may have lost the one path; its discovery says that it is new, or nothing."""
    with FakeBroker() as broker:
        broker.answer_with(MINT, 404)
        if status != 200:
            broker.answer_with(DISCOVERY, status)
        with pytest.raises(BrokerRefused, match=f"does not offer {MINT}"):
            mint(broker)


def test_what_is_not_offered_is_absent_and_not_broken() -> None:
    """For those who can do without it."""
    with FakeBroker() as broker:
        assert at_broker(broker.url, lambda client: client.find("POST", PATH)) is None
        broker.answer_with(PATH, 500)
        with pytest.raises(BrokerUnreachable):
            at_broker(broker.url, lambda client: client.find("POST", PATH))
