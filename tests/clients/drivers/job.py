"""The job that every driver does with its client: put, get, list, and the same where it may not.

A driver hands its client to `main` as an object with these three; each raises where it fails.
Standard output is a line of JSON for each step; the driver ends with 0 whatever came out.

    driver once             each step once
    driver ask              one get, for what it says about its credentials
    driver live SECONDS     put, get and list over and over, in one process, for so long

The bucket, the client's own prefix, somebody else's and the store's address are in the environment.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from typing import Protocol

__all__ = ["BUCKET", "ENDPOINT", "FOREIGN", "NAME", "PREFIX", "Client", "main", "say"]

BUCKET = os.environ["JOB_BUCKET"]
PREFIX = os.environ["JOB_PREFIX"]
FOREIGN = os.environ["JOB_FOREIGN"]
ENDPOINT = os.environ["JOB_ENDPOINT"]
NAME = os.environ["JOB_NAME"]
_PAUSE = 1.0


class Client(Protocol):
    """A client of S3, with the bucket and all else that it needs in it."""

    def put(self, key: str, body: bytes) -> None: ...
    def get(self, key: str) -> bytes: ...
    def list(self, prefix: str) -> list[str]:
        """The keys below `prefix`, or any words that end in their last parts."""
        ...


def main(make: Callable[[], Client], live: Callable[[float], None] | None = None) -> None:
    """Does the job that the command line asks for; `live` takes the place of the common loop."""
    if sys.argv[1] == "live":
        seconds = float(sys.argv[2])
        _attempt("live", lambda: (live or (lambda left: _live(make(), left)))(seconds))
    elif sys.argv[1] == "ask":
        _attempt("get", lambda: make().get(PREFIX + NAME))
    else:
        _once(make)


def say(step: str, outcome: str, words: str = "") -> None:
    """One line of the answer."""
    print(json.dumps({"step": step, "outcome": outcome, "words": words}), flush=True)


def _once(make: Callable[[], Client]) -> None:
    made: list[Client] = []

    def put() -> None:
        made.append(make())
        made[0].put(PREFIX + NAME, b"by a client")

    # Without credentials all would fail in the same way, and some clients take their time for it.
    if not _attempt("put", put):
        return
    client = made[0]
    _attempt("get", lambda: _expect(client.get(PREFIX + NAME) == b"by a client"))
    _attempt("list", lambda: _expect(any(k.endswith(NAME) for k in client.list(PREFIX))))
    _attempt("put elsewhere", lambda: client.put(FOREIGN + NAME, b"by a client"))
    _attempt("get elsewhere", lambda: client.get(FOREIGN + NAME))
    _attempt("list elsewhere", lambda: client.list(FOREIGN))


def _live(client: Client, seconds: float) -> None:
    end = time.monotonic() + seconds
    rounds = 0
    while time.monotonic() < end:
        body = f"round {rounds}".encode()
        client.put(PREFIX + NAME, body)
        _expect(client.get(PREFIX + NAME) == body)
        _expect(any(key.endswith(NAME) for key in client.list(PREFIX)))
        rounds += 1
        time.sleep(_PAUSE)


def _attempt(step: str, act: Callable[[], object]) -> bool:
    try:
        act()
    except Exception as problem:  # noqa: BLE001 - whatever a client raises is the answer
        say(step, "failed", "\n".join(_chain(problem)))
        return False
    say(step, "done")
    return True


def _chain(problem: BaseException | None) -> Iterator[str]:
    """What a traceback would show of it, the last first."""
    while problem is not None:
        yield f"{type(problem).__name__}: {problem}"
        problem = problem.__cause__ or problem.__context__


def _expect(true: bool) -> None:
    if not true:
        raise AssertionError("not what was written")
