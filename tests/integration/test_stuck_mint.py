"""Requests that wait for a stuck mint hold nothing that any other request needs."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.fakes.broker import MINT
from tests.support.place import Place, new_place

CROWD = 500


@pytest.fixture
def place() -> Iterator[Place]:
    """With a second profile, of which nothing is held yet."""
    with new_place() as found:
        found.tables["profiles"]["cold"] = found.sound_profile(duration="30m")
        found.configure()
        yield found


def test_hundreds_that_wait_do_not_hold_up_a_warm_answer(place: Place) -> None:
    """They all get the same in the end, from one token and one call of the store."""
    warm = place.through("GET credentials")
    with ThreadPoolExecutor(CROWD) as pool:
        with place.broker.stuck():
            waiting = [pool.submit(place.through, "GET credentials", "cold") for _ in range(CROWD)]
            place.broker.wait_for_request()
            begun = time.monotonic()
            for _ in range(100):
                assert place.through("GET credentials") == warm
            # The measured figure is a matter of milliseconds; this only tells it from waiting.
            assert time.monotonic() - begun < 15
            assert not any(one.done() for one in waiting)
        outcomes = {one.result() for one in waiting}
    assert len(outcomes) == 1
    assert outcomes.pop().served
    assert len(place.broker.requests_to(MINT)) == len(place.sts.requests) == 2
