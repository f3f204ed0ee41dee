"""What strangers do to a daemon's endpoint, and what its socket's clients see of it."""

from __future__ import annotations

import os
import random
import resource
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from urllib.parse import urlsplit

import pytest

from tests.support.place import Place
from tests.support.raw_http import RawAnswer, ask, parse_answer
from tests.support.served_endpoint import connect, converse

# Tells its environment, and lives until its input ends.
CHILD = r"env -0; printf '\0'; exec cat"
CROWD = 1000


@pytest.fixture(autouse=True)
def descriptors() -> Iterator[None]:
    """For our ends of all connections."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(max(soft, 4096), hard), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@contextmanager
def a_run(place: Place) -> Iterator[Mapping[str, str]]:
    """The variables of a program under `exec --refresh`, which lives as long."""
    argv = [str(place.home.program("agentkeys")), "exec", "--refresh", "--", "sh", "-c", CHILD]
    with subprocess.Popen(
        argv, env=place.home.environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdout
        told = b""
        while not told.endswith(b"\0\0"):
            piece = os.read(child.stdout.fileno(), 65_536)
            assert piece
            told += piece
        yield dict(entry.split("=", 1) for entry in told.decode().split("\0") if entry)


def port_of(run: Mapping[str, str]) -> int:
    port = urlsplit(run["AWS_CONTAINER_CREDENTIALS_FULL_URI"]).port
    assert port
    return port


def fetch(run: Mapping[str, str]) -> RawAnswer:
    """What the run's program gets."""
    url = urlsplit(run["AWS_CONTAINER_CREDENTIALS_FULL_URI"])
    head = (
        f"GET {url.path} HTTP/1.1\r\nHost: {url.netloc}\r\n"
        f"Authorization: {run['AWS_CONTAINER_AUTHORIZATION_TOKEN']}\r\n\r\n"
    )
    return parse_answer(converse(port_of(run), head.encode()))


def assert_serves(place: Place, run: Mapping[str, str]) -> None:
    """At both doors."""
    assert ask(place.home, "GET", "/v1/profiles/data/credentials").status == 200
    assert fetch(run).status == 200


def test_strangers_who_only_connect_hold_up_neither_door(place: Place) -> None:
    """Not even a thousand of them."""
    place.configure()
    place.log_in()
    with a_run(place) as run, ExitStack() as stack:
        for _ in range(CROWD):
            stack.enter_context(connect(port_of(run)))
        for _ in range(10):
            assert_serves(place, run)


def test_noise_at_the_endpoint_leaves_no_trace(place: Place) -> None:
    """Neither in what is served nor in the log, which any stranger could fill otherwise."""
    place.configure()
    place.log_in()
    with a_run(place) as run:
        assert_serves(place, run)
        log = place.home.state / "logs"
        before = {path: path.read_bytes() for path in log.iterdir()}
        dice = random.Random(11)
        for _ in range(200):
            converse(port_of(run), dice.randbytes(dice.randrange(1, 200)) + b"\r\n\r\n")
        assert_serves(place, run)
        assert {path: path.read_bytes() for path in log.iterdir()} == before
