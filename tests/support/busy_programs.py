"""Programs that use a daemon all the time, whatever becomes of it."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime

from agentkeys.clock import parse_utc
from tests.support.place import SHIM, Place
from tests.support.programs import Finished
from tests.support.tokens import ALICE, BOB

__all__ = ["busy_programs", "check_document"]


@contextmanager
def busy_programs(place: Place, ended: Counter[str]) -> Iterator[None]:
    """Programs of every kind, each again and again until the block ends.

    Fails where one ends otherwise than in a good answer or one line that says why not; `ended`
    counts their exit statuses.
    """
    stop = threading.Event()
    with ThreadPoolExecutor(4) as pool:
        loops = [pool.submit(_again_and_again, run, place, stop) for run in _PROGRAMS.values()]
        try:
            yield
        finally:
            stop.set()
            results = [loop.result() for loop in loops]
    for name, finished in zip(_PROGRAMS, results, strict=True):
        ended.update(f"{name}: {each.status}" for each in finished)


def _again_and_again(
    run: Callable[[Place, int], Finished], place: Place, stop: threading.Event
) -> list[Finished]:
    finished: list[Finished] = []
    while not stop.is_set():
        finished.append(run(place, len(finished)))
    return finished


def _shim(place: Place, turn: int) -> Finished:
    done = place.home.run(SHIM)
    if done.status == 0:
        check_document(done.stdout)
    else:
        _check_refusal(done, 1, 3, 4)
    return done


def _exec(place: Place, turn: int) -> Finished:
    done = place.home.run("agentkeys", "exec", "--", "env")
    if done.status == 0:
        assert "AWS_SESSION_TOKEN=session-" in done.stdout, done
    else:
        _check_refusal(done, 125)
    return done


def _log_in(place: Place, turn: int) -> Finished:
    """As another person each time, which takes the leases of the one before."""
    session = place.broker.session_jwt((ALICE, BOB)[turn % 2])
    done = place.home.run("agentkeys", "login", "me", "--session-stdin", stdin=session)
    if done.status != 0:
        _check_refusal(done, 1, 4)
    return done


def _status(place: Place, turn: int) -> Finished:
    done = place.home.run("agentkeys", "status", "--json")
    if done.status == 0:
        json.loads(done.stdout)
    else:
        _check_refusal(done, 1, 4)
    return done


_PROGRAMS: dict[str, Callable[[Place, int], Finished]] = {
    "shim": _shim,
    "exec": _exec,
    "login": _log_in,
    "status": _status,
}


def _check_refusal(done: Finished, *statuses: int) -> None:
    """It ended with one of these, and said why in one line and what to do in another."""
    assert done.status in statuses, done
    assert not done.stdout, done
    done.complaint()


def check_document(text: str) -> None:
    """It is whole, and good for now."""
    document = json.loads(text)
    assert document["SecretAccessKey"]
    assert parse_utc(document["Expiration"]) > datetime.now(UTC)
