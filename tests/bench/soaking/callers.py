"""Twenty callers that ask for credentials all the time, and what they were told."""

from __future__ import annotations

import json
import random
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from agentkeys.clock import parse_utc
from tests.bench.soaking.surroundings import PROFILES
from tests.support.place import SHIM
from tests.support.programs import Home
from tests.support.raw_http import ask

__all__ = ["CALLERS", "Crowd"]

Ask = Callable[[Home, str], str]
"""Asks once for a profile; what came, in a word, or `_Failed` with all of it."""

LATE = 75
PUT_AND_LIST = f"""
import datetime, os, sys
import boto3
bucket, prefix = os.environ["AGENTKEYS_S3_BUCKET"], os.environ["AGENTKEYS_S3_PREFIX"]
key = prefix + os.environ["AGENTKEYS_RUN"]
s3 = boto3.client("s3")
try:
    s3.put_object(Bucket=bucket, Key=key, Body=b"x")
    listed = s3.list_objects_v2(Bucket=bucket, Prefix=key)["Contents"]
    s3.delete_object(Bucket=bucket, Key=key)
except Exception:
    now = datetime.datetime.now(datetime.timezone.utc)
    if now >= datetime.datetime.fromisoformat(os.environ["AWS_CREDENTIAL_EXPIRATION"]):
        sys.exit({LATE})
    raise
assert [found["Key"] for found in listed] == [key]
"""


class _Failed(Exception):
    """With what was told instead of credentials."""


def _raw(home: Home, profile: str) -> str:
    asked_at = datetime.now(UTC)
    answer = ask(home, "GET", f"/v1/profiles/{profile}/credentials")
    if answer.status != 200:
        raise _Failed(answer.body.decode())
    _check(answer.body.decode(), asked_at)
    return "requests"


def _shim(home: Home, profile: str) -> str:
    asked_at = datetime.now(UTC)
    done = home.run(SHIM, "--profile", profile)
    if done.status != 0:
        raise _Failed(done.stderr)
    _check(done.stdout, asked_at)
    return "shims"


def _exec(home: Home, profile: str) -> str:
    python = (sys.executable, "-I", "-c", PUT_AND_LIST)
    done = home.run("agentkeys", "exec", "--profile", profile, "--", *python)
    if done.status == LATE:
        return "runs that outlived their credentials"
    if done.status != 0:
        raise _Failed(done.stderr)
    return "runs of boto3"


def _check(text: str, asked_at: datetime) -> None:
    document = json.loads(text)
    # A document tells whole seconds, rounded down.
    if parse_utc(document["Expiration"]) + timedelta(seconds=1) < asked_at:
        raise _Failed(f"credentials that ended at {document['Expiration']}, asked at {asked_at}")


@dataclass(frozen=True)
class _Kind:
    ask: Ask
    count: int
    pause: float
    """Seconds between one's questions, more or less."""


CALLERS = (_Kind(_raw, 14, 0.15), _Kind(_shim, 4, 1.0), _Kind(_exec, 2, 2.0))


class Crowd:
    """Asks between `begin` and `end`; `answers` counts what came, `failures` has what did not."""

    def __init__(self, home: Home, *, weather: Callable[[], str], seed: int = 0) -> None:
        """`weather` is told with a failure."""
        self.answers: Counter[str] = Counter()
        self.failures: list[str] = []
        self._home = home
        self._weather = weather
        self._seed = seed
        self._counting = threading.Lock()
        self._over = threading.Event()
        self._threads: list[threading.Thread] = []

    def begin(self) -> None:
        self._over.clear()
        kinds = [kind for kind in CALLERS for _ in range(kind.count)]
        self._threads = [
            threading.Thread(target=self._call, args=(kind, random.Random(self._seed + number)))
            for number, kind in enumerate(kinds)
        ]
        for thread in self._threads:
            thread.start()

    def end(self) -> None:
        """Returns when the last question has been answered."""
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _call(self, kind: _Kind, dice: random.Random) -> None:
        while not self._over.wait(kind.pause * dice.uniform(0.5, 1.5)):
            profile = dice.choice(list(PROFILES))
            begun, before = time.monotonic(), self._weather()
            try:
                what = kind.ask(self._home, profile)
            except Exception as problem:  # noqa: BLE001 - whatever it is, it is a failure
                took = time.monotonic() - begun
                self._fail(f"{profile}, {took:.1f} s, {before} … {self._weather()}: {problem!r}")
            else:
                self._count(what)

    def _fail(self, words: str) -> None:
        with self._counting:
            at = datetime.now(UTC).strftime("%H:%M:%S")
            self.failures.append(f"{at} {words}")

    def _count(self, what: str) -> None:
        with self._counting:
            self.answers[what] += 1
