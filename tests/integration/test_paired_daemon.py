"""A daemon on a machine that was paired: it works on when its session is over."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.fakes.broker import RESOLVE
from tests.support.devices import AGENT, DEVICE
from tests.support.place import EXEC, SHIM, Place, assert_keeps_secrets, assert_refused, place_in
from tests.support.programs import Home
from tests.support.raw_http import RawAnswer, ask
from tests.support.tokens import ALICE

SIGNATURE = DEVICE.signature.reveal().removeprefix("0x")


@pytest.fixture
def place(home: Home) -> Iterator[Place]:
    """A machine whose owner has let it in."""
    with place_in(home, AGENT, ALICE) as found:
        found.broker.devices[DEVICE.address] = AGENT
        yield found


def hand_over(place: Place, session: str, device: object) -> RawAnswer:
    """What the daemon says to the outcome of a pairing."""
    body = {"session_jwt": session, "url": place.broker.url, "device": device}
    path = "/v1/identities/me/session"
    return ask(place.home, "PUT", path, body=json.dumps(body).encode())


def pair(place: Place) -> str:
    session = place.broker.session_jwt(AGENT)
    answer = hand_over(place, session, DEVICE.to_document())
    assert answer.status == 200, answer
    assert answer.json()["prefix_id"] == AGENT.omni
    place.sessions.append(session)
    return session


@pytest.mark.parametrize("door", [SHIM, EXEC])
def test_credentials_outlive_the_session(place: Place, door: str) -> None:
    """The broker no longer takes it, and nobody notices."""
    place.broker.end_session(pair(place))
    assert place.through(door).served
    [renewed] = place.broker.requests_to(RESOLVE)
    assert renewed.body["device_pubkey"] == DEVICE.address
    assert place.through(door).served
    assert len(place.broker.requests_to(RESOLVE)) == 1


def test_nothing_shows_the_proof(place: Place) -> None:
    """Neither a view nor an error nor the log nor the ledger."""
    place.broker.end_session(pair(place))
    place.broker.refuse_with(RESOLVE, 403, "forbidden", f"not bound: 0x{SIGNATURE}")
    refused = place.home.run("agentkeys", "exec", "--", "true")
    shown = [
        refused.stderr,
        place.home.run("agentkeys", "status", "--json").stdout,
        place.home.run("agentkeys", "whoami", "--json").stdout,
        *(path.read_text() for path in place.home.state.rglob("*.jsonl")),
    ]
    for text in shown:
        assert SIGNATURE not in text
        assert_keeps_secrets(text, place.sessions)


def test_a_revoked_machine_is_told_who_can_help(place: Place) -> None:
    """By every program that asks."""
    place.broker.end_session(pair(place))
    place.broker.devices.clear()
    for done in place.run_programs():
        error = "the broker refused (forbidden)"
        hint = "its owner has to bind this device; or pair it: agentkeys login --pair"
        # What exec could not begin with it says by a status of its own.
        assert_refused(done, done.status, error, hint, place.sessions)
        assert done.status in (1, 125)


def test_a_login_of_a_person_ends_the_pairing(place: Place) -> None:
    """Their session is not renewed with a proof that is not theirs."""
    pair(place)
    place.broker.end_session(place.log_in(ALICE))
    assert not place.through(EXEC).served
    assert place.broker.requests_to(RESOLVE) == []


@pytest.mark.parametrize(
    "change",
    [{"address": "0x12"}, {"address": None}, {"signature": "0x12"}, {"signature": 7}],
)
def test_a_proof_that_is_none_is_not_kept(place: Place, change: dict[str, object]) -> None:
    """The daemon refuses the login as a whole."""
    session = place.broker.session_jwt(AGENT)
    answer = hand_over(place, session, {**DEVICE.to_document(), **change})
    assert answer.status >= 400
    assert answer.json()["error"]["code"] == "login_failed"
    assert place.home.run("agentkeys", "whoami", "--json").stdout.count(AGENT.omni) == 0
