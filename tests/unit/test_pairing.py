"""Pairing: a code for the owner, a session that is handed over once."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from agentkeys.errors import BrokerRefused, BrokerUnreachable, LoginFailed, TokenError
from agentkeys.login import Pairing, await_claim, known_device, request_pairing
from agentkeys.secret import Secret
from agentkeys.sessions import parse_broker_session
from tests.fakes.broker import PAIR, POLL, RESOLVE, FakeBroker, envelope
from tests.support.calls import at_broker
from tests.support.devices import AGENT, DEVICE
from tests.support.moved_clock import MovedClock
from tests.support.samples import broker_sample
from tests.support.tokens import ALICE, BOB

SAMPLE = broker_sample("pairing-request.200")
MINUTES = timedelta(minutes=10)


class Waiting:
    """The owner's time: sleeping moves the clock, and may have something happen."""

    def __init__(self, clock: MovedClock, then: Callable[[int], object]) -> None:
        self.naps: list[float] = []
        self._clock = clock
        self._then = then

    async def __call__(self, seconds: float) -> None:
        self.naps.append(seconds)
        self._clock.move(timedelta(seconds=seconds))
        self._then(len(self.naps))


def request(broker: FakeBroker) -> Pairing:
    return at_broker(broker.url, lambda client: request_pairing(client, DEVICE))


def wait(
    broker: FakeBroker, pairing: Pairing, then: Callable[[int], object] = lambda _: None
) -> tuple[Secret, list[float]]:
    clock = MovedClock()
    sleep = Waiting(clock, then)
    session = at_broker(
        broker.url, lambda client: await_claim(client, DEVICE, pairing, clock=clock, sleep=sleep)
    )
    return session, sleep.naps


def claim_after(broker: FakeBroker, polls: int) -> Callable[[int], object]:
    return lambda naps: broker.claim_pairings(AGENT) if naps == polls else None


def assert_tells_nothing(problem: TokenError, pairing: Pairing) -> None:
    said = f"{problem.message} {problem.hint} {problem!r}"
    assert DEVICE.signature.reveal()[:20] not in said
    assert pairing.ticket.reveal() not in said


# The code.


def test_a_device_is_given_a_code() -> None:
    """It shows its address and its proof, and no bearer."""
    with FakeBroker() as broker:
        broker.answer_with(PAIR, 200, SAMPLE | {"expires_at": in_the(broker, 600)})
        pairing = request(broker)
        [sent] = broker.requests
    assert sent.body == broker_sample("pairing-request.request")
    assert "authorization" not in sent.headers
    assert pairing.code == SAMPLE["pairing_code"]
    assert pairing.ticket == Secret(SAMPLE["request_id"])
    assert timedelta(seconds=590) < pairing.lifetime <= MINUTES
    assert SAMPLE["request_id"] not in repr(pairing)


def in_the(broker: FakeBroker, seconds: int) -> int:
    return int(broker.clock.now().timestamp()) + seconds


def test_a_code_lasts_by_the_broker_s_clock() -> None:
    """Ours may be years off; and never for longer than brokers give."""
    with FakeBroker(clock=MovedClock()) as broker:
        assert timedelta(seconds=590) < request(broker).lifetime <= MINUTES
        broker.answer_with(PAIR, 200, SAMPLE | {"expires_at": in_the(broker, 86_400)})
        assert request(broker).lifetime == MINUTES
        broker.answer_with(PAIR, 200, SAMPLE | {"expires_at": 10**30})
        assert request(broker).lifetime == MINUTES


@pytest.mark.parametrize(
    "change",
    [
        {"request_id": None},
        {"request_id": "a/b"},
        {"pairing_code": 7},
        {"pairing_code": ""},
        {"pairing_code": "\x1b[2Jcode-code"},
        {"expires_at": None},
        {"expires_at": True},
        {"expires_at": 0},
    ],
)
def test_an_answer_that_begins_no_pairing_is_none(change: dict[str, object]) -> None:
    """The code goes to a terminal."""
    with FakeBroker() as broker:
        broker.answer_with(PAIR, 200, SAMPLE | {"expires_at": in_the(broker, 600)} | change)
        with pytest.raises(LoginFailed):
            request(broker)


def test_an_older_broker_pairs_nobody() -> None:
    """It is told what there is instead."""
    refused = pytest.raises(LoginFailed, match="does not pair machines")
    with FakeBroker(generation=6) as broker, refused as refusal:
        request(broker)
    assert "log in another way" in refusal.value.hint


def test_a_proof_that_the_broker_refuses_is_not_repeated() -> None:
    """Whatever the broker echoes."""
    with FakeBroker() as broker:
        proof = DEVICE.signature.reveal()
        broker.refuse_with(PAIR, 401, "unauthorized", f"bad pop_sig {proof}")
        broker.refuse_with(PAIR, 400, "bad_request", f"bad pop_sig {proof}")
        broker.refuse_with(PAIR, 400, "bad_request", f"bad pop_sig {proof[2:]}")
        for kind in (LoginFailed, BrokerRefused, BrokerRefused):
            with pytest.raises(kind) as refusal:
                request(broker)
            assert proof[2:20] not in f"{refusal.value.message} {refusal.value.hint}"


# The wait.


def test_a_claimed_code_gives_the_session() -> None:
    """After as many polls as it takes, three seconds apart."""
    with FakeBroker() as broker:
        pairing = request(broker)
        session, naps = wait(broker, pairing, claim_after(broker, 2))
        polls = broker.requests_to(POLL)
    assert naps == [3.0, 3.0]
    assert parse_broker_session(session, url=broker.url).subject == AGENT.omni
    assert len(polls) == 3
    assert polls[0].body == {
        "request_id": pairing.ticket.reveal(),
        **broker_sample("pairing-request.request"),
    }
    assert all("authorization" not in poll.headers for poll in polls)


def test_the_sample_of_a_claimed_answer_is_understood() -> None:
    """Field for field as brokers send it."""
    with FakeBroker() as broker:
        pairing = request(broker)
        broker.answer_with(POLL, 200, broker_sample("pairing-poll.pending"))
        broker.answer_with(POLL, 200, broker_sample("pairing-poll.claimed"))
        session, _ = wait(broker, pairing)
    found = parse_broker_session(session, url="https://broker.example.com", device=DEVICE)
    assert (found.omni, found.wallet, found.identity_type) == (AGENT.omni, None, "agent_hdkd")


@pytest.mark.parametrize(
    ("status", "body", "naps"),
    [
        pytest.param(502, b"<html>", [3.0], id="a proxy"),
        pytest.param(500, envelope("internal"), [3.0], id="the broker's trouble"),
        pytest.param(200, b"<html>", [3.0], id="no answer"),
        pytest.param(
            400, envelope("bad_request", "rate limited: polls; retry in 20s"), [20.0], id="a limit"
        ),
    ],
)
def test_a_broker_in_trouble_is_asked_again(status: int, body: object, naps: list[float]) -> None:
    """It may not have handed anything over yet; and it says how long to leave it alone."""
    with FakeBroker() as broker:
        pairing = request(broker)
        broker.answer_with(POLL, status, body)
        broker.claim_pairings(AGENT)
        session, slept = wait(broker, pairing)
    assert session
    assert slept == naps


def test_a_lost_answer_is_told_as_that() -> None:
    """The session was handed over and never came: nothing but a new pairing helps."""
    with FakeBroker() as broker:
        pairing = request(broker)
        broker.answer_with(POLL, 504, b"")
        broker.refuse_with(POLL, 401, "unauthorized", "unknown ticket")
        with pytest.raises(LoginFailed, match="was lost on its way") as refusal:
            wait(broker, pairing)
        assert len(broker.requests_to(POLL)) == 2
    assert "login --pair" in refusal.value.hint
    assert_tells_nothing(refusal.value, pairing)


def test_a_code_that_was_replaced_is_not_a_lost_answer() -> None:
    """Also not where some earlier answer was, as long as one came after it."""
    with FakeBroker() as broker:
        pairing = request(broker)
        broker.answer_with(POLL, 504, b"")
        broker.answer_with(POLL, 200, {"status": "pending"})
        broker.refuse_with(POLL, 401, "unauthorized", "unknown ticket")
        with pytest.raises(LoginFailed, match="has expired, or another") as refusal:
            wait(broker, pairing)
    assert_tells_nothing(refusal.value, pairing)


def test_nobody_waits_for_ever() -> None:
    """The wait ends on our own clock, a moment after the code has."""
    with FakeBroker() as broker:
        pairing = request(broker)
        broker.answer_with(POLL, 200, {"status": "pending"}, times=1000)
        with pytest.raises(LoginFailed, match="nobody claimed the code in time"):
            wait(broker, pairing)
        assert 200 <= len(broker.requests_to(POLL)) <= 211


@pytest.mark.parametrize(
    "answer",
    [
        {"status": "declined"},
        {"status": None},
        {},
        {"status": "claimed"},
        {"status": "claimed", "session_jwt": "", "child_omni": AGENT.omni},
        {"status": "claimed", "session_jwt": "h.p.s", "child_omni": AGENT.omni},
    ],
)
def test_any_other_answer_ends_the_wait(answer: dict[str, object]) -> None:
    """It cannot be had twice."""
    with FakeBroker() as broker:
        pairing = request(broker)
        broker.answer_with(POLL, 200, answer)
        with pytest.raises(LoginFailed):
            wait(broker, pairing)
        assert len(broker.requests_to(POLL)) == 1


def test_another_agent_s_session_is_refused() -> None:
    """Answer and session must name the same one."""
    with FakeBroker() as broker:
        pairing = request(broker)
        answer = {"status": "claimed", "session_jwt": broker.session_jwt(BOB)}
        broker.answer_with(POLL, 200, answer | {"child_omni": AGENT.omni})
        with pytest.raises(LoginFailed, match="another agent"):
            wait(broker, pairing)


def test_a_redirect_is_not_followed() -> None:
    """The ticket would go wherever it points."""
    with FakeBroker() as broker, FakeBroker() as elsewhere:
        pairing = request(broker)
        broker.answer_with(POLL, 307, b"", {"Location": elsewhere.url + POLL})
        with pytest.raises(BrokerRefused, match="redirect"):
            wait(broker, pairing)
        assert elsewhere.requests == []


# A device that is bound already.


def test_a_bound_device_needs_no_code() -> None:
    """It says that it is a device, so that no broker starts a machine for it."""
    with FakeBroker() as broker:
        broker.devices[DEVICE.address] = AGENT
        session = at_broker(broker.url, lambda client: known_device(client, DEVICE))
        [sent] = broker.requests
    assert session
    assert parse_broker_session(session, url=broker.url).omni == AGENT.omni
    assert sent.body == {**broker_sample("pairing-request.request"), "is_device": True}


@pytest.mark.parametrize(
    ("status", "code"), [(403, "forbidden"), (401, "unauthorized"), (404, "not_found")]
)
def test_a_device_that_is_not_bound_has_to_be_paired(status: int, code: str) -> None:
    """Whether it was revoked, is unknown, or the broker cannot tell."""
    with FakeBroker(ALICE) as broker:
        broker.refuse_with(RESOLVE, status, code)
        assert at_broker(broker.url, lambda client: known_device(client, DEVICE)) is None


def test_a_broker_that_is_away_says_nothing_about_a_device() -> None:
    """Pairing again would take the owner's time for nothing."""
    with FakeBroker() as broker:
        broker.answer_with(RESOLVE, 503)
        with pytest.raises(BrokerUnreachable):
            at_broker(broker.url, lambda client: known_device(client, DEVICE))
