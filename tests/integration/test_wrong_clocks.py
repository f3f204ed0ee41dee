"""A daemon whose clock and those of broker and store are hours apart serves all the same."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests.fakes.broker import FakeBroker
from tests.fakes.sts import FakeSts
from tests.support.moved_clock import WrongClock
from tests.support.place import Place
from tests.support.programs import Home
from tests.support.tokens import ALICE


def notices(place: Place) -> list[tuple[Any, ...]]:
    found = place.status()["notices"]
    return [(notice["code"], notice["about"], notice["message"]) for notice in found]


@pytest.mark.parametrize(
    ("ahead", "words"),
    [
        pytest.param(timedelta(hours=6), "6h 0m behind", id="ours is behind"),
        pytest.param(timedelta(hours=-6), "6h 0m ahead of", id="ours is ahead"),
    ],
)
def test_credentials_are_served_across_wrong_clocks(
    home: Home, ahead: timedelta, words: str
) -> None:
    """Sessions, tokens and leases live by the clocks of those who made them; it is told."""
    clock = WrongClock(ahead)
    with FakeBroker(ALICE, clock=clock) as broker, FakeSts("aws", clock=clock) as sts:
        place = Place(home, broker, sts)
        place.configure()
        place.log_in()
        first = place.through("GET credentials")
        assert first.served
        assert {place.through("GET credentials").key for _ in range(20)} == {first.key}
        assert len(sts.requests) == 1
        status = place.status()
        assert status["identities"][0]["session"] == "live"
        assert 3500 < status["profiles"][0]["expires_in_seconds"] <= 3600
        assert abs(status["profiles"][0]["clock_skew_seconds"] - ahead.total_seconds()) < 60
        told = notices(place)
        assert [entry[:2] for entry in told] == [("clock_skew", "me"), ("clock_skew", "data")]
        assert all(f"this machine's clock is {words}" in message for _, _, message in told)


def test_clocks_that_agree_are_nothing_to_tell(home: Home) -> None:
    """Nor is a second of network."""
    with FakeBroker(ALICE) as broker, FakeSts("aws", clock=WrongClock(timedelta(seconds=3))) as sts:
        place = Place(home, broker, sts)
        place.configure()
        place.log_in()
        assert place.through("GET credentials").served
        assert notices(place) == []
        assert place.status()["profiles"][0]["clock_skew_seconds"] == 0


def test_a_store_with_short_sessions_is_told(home: Home) -> None:
    """With what it gives and what to do."""
    with FakeBroker(ALICE) as broker, FakeSts("aws", longest=timedelta(minutes=16)) as sts:
        place = Place(home, broker, sts)
        place.configure()
        place.log_in()
        assert notices(place) == []
        assert place.through("GET credentials").served
        ((code, about, message),) = notices(place)
        assert (code, about) == ("short_session", "data")
        assert "lab gives credentials for 16m only" in message
