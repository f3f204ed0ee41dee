"""Logins that a person finishes elsewhere: an e-mailed link, or a provider's page."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from agentkeys.broker import BrokerClient
from agentkeys.errors import BrokerRefused, LoginFailed
from agentkeys.login import (
    PendingLogin,
    await_login,
    start_email_login,
    start_oauth2_login,
)
from agentkeys.secret import Secret
from agentkeys.sessions import parse_broker_session
from tests.fakes.broker import FakeBroker
from tests.support.calls import at_broker
from tests.support.moved_clock import MovedClock
from tests.support.samples import broker_sample
from tests.support.tokens import CAROL

EMAIL, OAUTH2 = "/v1/auth/email/request", "/v1/auth/oauth2/start"
TICKET = "eml-00112233445566778899aabb"
STATUS = f"/v1/auth/email/status/{TICKET}"
PENDING = PendingLogin("email", Secret(TICKET), timedelta(minutes=10))


class Waiting:
    """A person's time: sleeping moves the clock, and may have something happen."""

    def __init__(self, clock: MovedClock, then: Callable[[int], object] | None = None) -> None:
        self.naps: list[float] = []
        self._clock = clock
        self._then = then

    async def __call__(self, seconds: float) -> None:
        self.naps.append(seconds)
        self._clock.move(timedelta(seconds=seconds))
        if self._then:
            self._then(len(self.naps))


def wait(
    broker: FakeBroker,
    pending: PendingLogin = PENDING,
    then: Callable[[int], object] | None = None,
) -> tuple[Secret, Waiting]:
    clock = MovedClock()
    sleep = Waiting(clock, then)
    session = at_broker(
        broker.url, lambda client: await_login(client, pending, clock=clock, sleep=sleep)
    )
    return session, sleep


def start_email(broker: FakeBroker, email: str = "carol@example.com") -> PendingLogin:
    return at_broker(broker.url, lambda client: start_email_login(client, email))


def start_oauth2(broker: FakeBroker) -> PendingLogin:
    return at_broker(broker.url, start_oauth2_login)


# Beginning.


def test_an_email_login_begins() -> None:
    """Only the address is sent; the source's address is not ours to claim."""
    with FakeBroker() as broker:
        pending = start_email(broker)
        [request] = broker.requests
    assert (request.path, request.body) == (EMAIL, {"email": "carol@example.com"})
    assert "authorization" not in request.headers
    assert (pending.method, pending.lifetime) == ("email", timedelta(minutes=10))
    assert pending.authorization_url is None


@pytest.mark.parametrize("email", ["", "carol", "carol@example.com\n", "a@b\x00"])
def test_what_is_no_address_is_not_sent(email: str) -> None:
    """The broker checks next to nothing."""
    with FakeBroker() as broker:
        with pytest.raises(LoginFailed, match="is not an e-mail address"):
            start_email(broker, email)
        assert broker.requests == []


def test_an_oauth2_login_begins() -> None:
    """With the page where the person has to go."""
    with FakeBroker() as broker:
        pending = start_oauth2(broker)
        assert broker.requests[0].body == {"provider": "google"}
    assert pending.authorization_url == "https://provider.example.com/auth"
    assert pending.method == "oauth2"


def test_the_contract_s_samples_begin_logins() -> None:
    """As recorded of a real broker."""
    with FakeBroker() as broker:
        broker.answer_with(EMAIL, 200, broker_sample("email-request.200"))
        broker.answer_with(OAUTH2, 200, broker_sample("oauth2-start.200"))
        assert start_email(broker).lifetime == timedelta(minutes=10)
        assert (start_oauth2(broker).authorization_url or "").startswith("https://")


GOOD = {"request_id": TICKET, "expires_in_seconds": 600}


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param({}, id="nothing"),
        pytest.param(GOOD | {"request_id": None}, id="no id"),
        pytest.param(GOOD | {"request_id": ""}, id="an empty id"),
        pytest.param(GOOD | {"request_id": "../../v1/mint"}, id="a path for an id"),
        pytest.param(GOOD | {"request_id": "a?b"}, id="a query in the id"),
        pytest.param(GOOD | {"request_id": "a\n"}, id="a line's end in the id"),
        pytest.param(GOOD | {"request_id": "a" * 129}, id="a long id"),
        pytest.param(GOOD | {"expires_in_seconds": None}, id="no lifetime"),
        pytest.param(GOOD | {"expires_in_seconds": 0}, id="no time"),
        pytest.param(GOOD | {"expires_in_seconds": -5}, id="negative time"),
        pytest.param(GOOD | {"expires_in_seconds": True}, id="true"),
        pytest.param(GOOD | {"expires_in_seconds": "600"}, id="text"),
        pytest.param(GOOD | {"expires_in_seconds": 1e9}, id="a fraction"),
        pytest.param(GOOD | {"expires_in_seconds": 10**9}, id="years"),
    ],
)
def test_an_answer_that_begins_nothing_is_a_failure(answer: dict[str, Any]) -> None:
    """The id becomes part of a path, and the lifetime ends the wait."""
    with FakeBroker() as broker:
        broker.answer_with(EMAIL, 200, answer)
        with pytest.raises(LoginFailed) as refusal:
            start_email(broker)
    assert refusal.value.hint


@pytest.mark.parametrize(
    "url", [None, "", "javascript:alert(1)", "file:///etc/passwd", "https://a\nb", 7, "/relative"]
)
def test_a_browser_is_only_sent_to_the_web(url: object) -> None:
    """Whatever a broken broker says."""
    with FakeBroker() as broker:
        broker.answer_with(OAUTH2, 200, GOOD | {"authorization_url": url})
        with pytest.raises(LoginFailed, match="no address to log in at"):
            start_oauth2(broker)


def test_a_limit_on_links_is_told() -> None:
    """With how long to wait."""
    with FakeBroker() as broker:
        broker.answer_with(EMAIL, 400, broker_sample("error.400.rate-limited"))
        with pytest.raises(BrokerRefused) as refusal:
            start_email(broker)
    assert "1740 s" in refusal.value.hint


# Waiting.


@pytest.mark.parametrize("start", [start_email, start_oauth2])
def test_a_finished_login_gives_its_session(start: Callable[[FakeBroker], PendingLogin]) -> None:
    """Asked for every two seconds, without any bearer."""
    with FakeBroker() as broker:
        pending = start(broker)
        finish = {3: lambda: broker.finish_logins(CAROL)}
        session, sleep = wait(broker, pending, lambda nap: finish.get(nap, lambda: None)())
        polls = broker.requests[1:]
    assert parse_broker_session(session, url=broker.url).subject == CAROL.omni
    assert sleep.naps == [2.0] * 3
    assert len(polls) == 4
    assert all(poll.method == "GET" for poll in polls)
    assert not any("authorization" in poll.headers for poll in polls)


@pytest.mark.parametrize(
    ("lifetime", "waited"),
    [
        pytest.param(timedelta(minutes=10), 300, id="five minutes at most"),
        pytest.param(timedelta(seconds=30), 30, id="no longer than the link lives"),
        pytest.param(timedelta(seconds=3), 4, id="to the next poll"),
    ],
)
def test_nobody_is_waited_for_for_ever(lifetime: timedelta, waited: float) -> None:
    """On our own clock: the broker says "pending" to the end of days."""
    with FakeBroker() as broker:
        broker.answer_with(STATUS, 200, broker_sample("email-status.pending"), times=200)
        with pytest.raises(LoginFailed, match="in time"):
            wait(broker, PendingLogin("email", Secret(TICKET), lifetime))
        assert len(broker.requests) == waited / 2


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        pytest.param({"status": "failed", "reason": "link was rejected"}, "rejected", id="failed"),
        pytest.param({"status": "expired"}, "expired", id="expired"),
        pytest.param({"status": "rejected"}, "rejected", id="rejected"),
        pytest.param({"status": "paused"}, "paused", id="an unknown status"),
        pytest.param({"status": "failed", "reason": ["x"]}, "does not say", id="no text"),
        pytest.param({"status": ["x"]}, "does not say", id="a list"),
        pytest.param({"status": "VERIFIED", "session_jwt": "x"}, "VERIFIED", id="upper case"),
        pytest.param({}, "does not say", id="nothing"),
        pytest.param({"status": "verified"}, "without a session", id="no session"),
        pytest.param({"status": "verified", "session_jwt": ""}, "without a", id="empty session"),
        pytest.param({"status": "verified", "session_jwt": {}}, "without a", id="no text session"),
    ],
)
def test_every_other_status_is_final(answer: dict[str, Any], words: str) -> None:
    """The original client went on asking after `failed`."""
    with FakeBroker() as broker:
        broker.answer_with(STATUS, 200, answer)
        with pytest.raises(LoginFailed, match=words):
            wait(broker)
        assert len(broker.requests) == 1


@pytest.mark.parametrize("sample", ["email-status.failed", "email-status.expired"])
def test_the_contract_s_failures_are_final(sample: str) -> None:
    """The second is one that only the original client knows."""
    with FakeBroker() as broker:
        broker.answer_with(STATUS, 200, broker_sample(sample))
        with pytest.raises(LoginFailed):
            wait(broker)


def test_a_reason_is_one_bounded_line() -> None:
    """It goes to a terminal."""
    with FakeBroker() as broker:
        broker.answer_with(STATUS, 200, {"status": "failed", "reason": "\x1b[2J\n" + "x" * 9999})
        with pytest.raises(LoginFailed) as refusal:
            wait(broker)
    assert refusal.value.message.isprintable()
    assert len(refusal.value.message) < 250


def test_a_broker_that_is_away_for_a_moment_does_not_end_the_wait() -> None:
    """Brokers restart every day, and proxies answer for them meanwhile."""
    with FakeBroker() as broker:
        broker.answer_with(STATUS, 503, b"<html>")
        broker.answer_with(STATUS, 200, b"<html>")
        broker.answer_with(STATUS, 200, broker_sample("email-status.verified"))
        session, sleep = wait(broker)
    assert session.reveal() == broker_sample("email-status.verified")["session_jwt"]
    assert len(sleep.naps) == 2


def test_a_forgotten_login_ends_the_wait() -> None:
    """A restarted broker does not know the id any more; nothing can come of it."""
    with FakeBroker() as broker:
        with pytest.raises(BrokerRefused):
            wait(broker)
        assert len(broker.requests) == 1


@pytest.mark.parametrize("status", [400, 403, 404, 410])
def test_no_error_of_a_wait_shows_the_ticket(status: int) -> None:
    """Whoever has it can fetch the session."""
    with FakeBroker() as broker:
        broker.answer_with(STATUS, status, {"error": TICKET, "message": f"no {TICKET}"})
        with pytest.raises(BrokerRefused) as refusal:
            wait(broker)
    assert TICKET not in refusal.value.message + refusal.value.hint


def test_waiting_takes_real_time_by_default() -> None:
    """A first answer that is final needs none of it."""

    async def story(client: BrokerClient) -> Secret:
        return await await_login(client, PENDING, clock=MovedClock())

    with FakeBroker() as broker:
        broker.answer_with(STATUS, 200, {"status": "verified", "session_jwt": "h.p.s"})
        assert at_broker(broker.url, story) == Secret("h.p.s")
