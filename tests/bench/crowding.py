"""What many profiles and many waiting callers do to a daemon."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from tests.support.place import Place, new_place
from tests.support.raw_http import ask

__all__ = ["resident_after_hours", "warm_while_waiting"]

PROFILES = 50
MINTS_AN_HOUR = 2
"""Of one profile, when every lease is of an hour."""
REQUESTS_AN_HOUR = 60


def resident_after_hours(hours: int) -> list[float]:
    """The daemon's resident memory, MiB, after each hour's worth of requests and mints."""
    with _place(PROFILES) as place:
        figures = []
        for _ in range(hours):
            for _ in range(MINTS_AN_HOUR):
                assert ask(place.home, "DELETE", "/v1/leases").status == 200
                _ask_all(place, times=REQUESTS_AN_HOUR // MINTS_AN_HOUR)
            figures.append(ask(place.home, "GET", "/v1/health").json()["resident_bytes"] / 2**20)
        return figures


def warm_while_waiting(crowd: int) -> float:
    """The slowest of a hundred warm answers, in seconds, while `crowd` wait for a stuck mint."""
    with _place(2) as place, ThreadPoolExecutor(crowd) as pool:
        _ask(place, 0)
        with place.broker.stuck():
            waiting = [pool.submit(_ask, place, 1) for _ in range(crowd)]
            place.broker.wait_for_request(60)
            # Not before they all are in: what they cost to start is not the daemon's.
            while ask(place.home, "GET", "/v1/health").json()["open_descriptors"] < crowd:
                time.sleep(0.01)
            slowest = max(_timed(place) for _ in range(100))
        for one in waiting:
            one.result()
    return slowest


@contextmanager
def _place(profiles: int) -> Iterator[Place]:
    """A daemon with that many profiles, none of which shares a lease with another."""
    with new_place() as place:
        place.tables["profiles"] = {
            f"p{number}": place.sound_profile(duration=f"{3600 - number}s")
            for number in range(profiles)
        }
        place.configure()
        yield place


def _ask_all(place: Place, *, times: int) -> None:
    for _ in range(times):
        for name in place.tables["profiles"]:
            assert ask(place.home, "GET", f"/v1/profiles/{name}/credentials").status == 200


def _ask(place: Place, number: int) -> None:
    answer = ask(place.home, "GET", f"/v1/profiles/p{number}/credentials")
    assert json.loads(answer.body)["Version"] == 1


def _timed(place: Place) -> float:
    begun = time.perf_counter()
    _ask(place, 0)
    return time.perf_counter() - begun
