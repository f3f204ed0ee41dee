"""A session goes on with what it holds while that is good, and asks no more than it must."""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from agentkeys.aws.held import Held, as_metadata
from agentkeys.clock import format_utc
from agentkeys.errors import (
    AgentkeysError,
    ConfigMismatch,
    DaemonNotRunning,
    RemoteError,
    WrongIdentity,
)
from agentkeys.protocol import CLIENT_DEADLINE
from agentkeys.secret import Secret
from agentkeys.served import ServedCredentials
from tests.support.moved_clock import SAMPLE_NOW, MovedClock

LOGIN = RemoteError("login_required", "nobody is logged in", hint="run: agentkeys login")
GONE = DaemonNotRunning("no daemon is running", hint="run: agentkeys daemon start")


def served(lifetime: timedelta, number: int = 1, **changes: Any) -> ServedCredentials:
    found = ServedCredentials(
        profile="data",
        access_key_id=f"ASIA{number:016}",
        secret_access_key=Secret(f"secret-{number}"),
        session_token=Secret(f"session-{number}"),
        expires_at=SAMPLE_NOW + lifetime,
        region="us-east-1",
        endpoint_url="http://127.0.0.1:8333",
        bucket="agentkeys",
        prefix="bots/0x52/",
        wallet="0x52",
        variables={},
    )
    return replace(found, **changes)


HOUR = served(timedelta(hours=1))


@pytest.fixture
def clock() -> MovedClock:
    return MovedClock()


@pytest.fixture
def held(clock: MovedClock) -> Held:
    return Held(clock=clock)


def test_it_has_nothing_to_go_on_with_at_first(held: Held) -> None:
    """The first ask gets all the time there is, and its failure is the caller's."""
    assert held.resting() is None
    assert held.patience == CLIENT_DEADLINE
    with pytest.raises(DaemonNotRunning) as caught:
        held.in_spite_of(GONE)
    assert caught.value is GONE


def test_an_answer_repeats_itself_for_a_moment(held: Held, clock: MovedClock) -> None:
    """A client that reads key, secret and token apart gets those of one answer."""
    assert held.take(HOUR) is HOUR
    clock.move(timedelta(seconds=4.9))
    assert held.resting() is HOUR
    clock.move(timedelta(seconds=0.2))
    assert held.resting() is None


def test_a_short_lease_repeats_itself_for_a_shorter_moment(held: Held, clock: MovedClock) -> None:
    """A tenth of what is left: the next one is on its way."""
    eight = held.take(served(timedelta(seconds=8)))
    clock.move(timedelta(seconds=0.7))
    assert held.resting() is eight
    clock.move(timedelta(seconds=0.2))
    assert held.resting() is None


@pytest.mark.parametrize("problem", [GONE, LOGIN], ids=["no daemon", "logged out"])
def test_a_failure_fails_no_call_while_credentials_are_good(
    held: Held, clock: MovedClock, problem: AgentkeysError, caplog: pytest.LogCaptureFixture
) -> None:
    """It is logged, with its hint; half a minute later the daemon is asked again."""
    held.take(HOUR)
    clock.move(timedelta(minutes=50))
    with caplog.at_level(logging.WARNING, "agentkeys"):
        assert held.in_spite_of(problem) is HOUR
    assert problem.message in caplog.text
    assert problem.hint in caplog.text
    assert format_utc(HOUR.expires_at) in caplog.text
    clock.move(timedelta(seconds=29))
    assert held.resting() is HOUR
    clock.move(timedelta(seconds=2))
    assert held.resting() is None


def test_it_asks_more_often_towards_the_end(held: Held, clock: MovedClock) -> None:
    """The daemon may be back any time."""
    held.take(HOUR)
    clock.move(timedelta(minutes=59, seconds=50))
    assert held.in_spite_of(GONE) is HOUR
    clock.move(timedelta(seconds=1.1))
    assert held.resting() is None


@pytest.mark.parametrize("left", [timedelta(seconds=1), timedelta(), timedelta(seconds=-60)])
def test_what_ends_is_not_gone_on_with(held: Held, clock: MovedClock, left: timedelta) -> None:
    """The reason why there is nothing newer is what the program gets to see."""
    held.take(HOUR)
    clock.move(timedelta(hours=1) - left)
    assert held.resting() is None
    assert held.patience == CLIENT_DEADLINE
    with pytest.raises(RemoteError) as caught:
        held.in_spite_of(LOGIN)
    assert caught.value is LOGIN


def test_a_stuck_daemon_holds_a_call_up_for_seconds_only(held: Held) -> None:
    """While there is something to go on with."""
    held.take(HOUR)
    assert held.patience == 5


def test_a_newer_answer_takes_the_place_of_the_old_one(held: Held, clock: MovedClock) -> None:
    """Also where that has ended meanwhile."""
    held.take(HOUR)
    clock.move(timedelta(hours=2))
    newer = served(timedelta(hours=3), 2)
    assert held.take(newer) is newer
    assert held.resting() is newer


def test_it_does_not_become_another_user(held: Held) -> None:
    """The program would go on under a name that it did not start with."""
    held.take(HOUR)
    with pytest.raises(WrongIdentity, match="another user's now: 0x99 and not 0x52") as caught:
        held.take(replace(HOUR, wallet="0x99", prefix="bots/0x99/"))
    assert "make a new session" in caught.value.hint
    assert held.resting() is HOUR


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("endpoint_url", "https://minio.example.com"),
        ("endpoint_url", None),
        ("region", "eu-central-1"),
        ("bucket", "another"),
        ("prefix", "bots/0x99/"),
    ],
)
def test_it_does_not_move_to_another_place(held: Held, field: str, value: Any) -> None:
    """Keys of one store must not be sent to another."""
    held.take(HOUR)
    with pytest.raises(ConfigMismatch, match=f"the {field} of profile data has changed"):
        held.take(served(timedelta(hours=1), **{field: value}))
    assert held.resting() is HOUR


def test_it_is_what_botocore_wants_of_a_refresh() -> None:
    """All of one answer."""
    assert as_metadata(HOUR) == {
        "access_key": HOUR.access_key_id,
        "secret_key": "secret-1",
        "token": "session-1",
        "expiry_time": format_utc(HOUR.expires_at),
    }
