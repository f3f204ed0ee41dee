"""Requests to the endpoint of `exec --refresh`, on fresh connections, while leases are minted."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from urllib.parse import urlsplit

from agentkeys.client import request
from tests.bench.load import Latencies, under_load

__all__ = ["ask_endpoint", "endpoint_under_load"]

CALLERS = 32
PER_SECOND = 500
SECONDS = 3.0
PAUSE = 0.25
"""Seconds between two mints; a daemon at work has one in many minutes."""
_PATIENCE = 10.0
_LONGEST = json.dumps({"min_ttl_seconds": 3600}).encode()
"""More than a lease of an hour has left, so that each request for it is a mint."""
# Tells its environment, and lives until its input ends.
_CHILD = r"env -0; printf '\0'; exec cat"


def endpoint_under_load(agentkeys: str, environ: Mapping[str, str]) -> Latencies:
    """What a new run's endpoint takes to answer, and the daemon minting all the while."""
    with _run(agentkeys, environ) as variables, _minting(environ):
        return under_load(
            variables, callers=CALLERS, per_second=PER_SECOND, seconds=SECONDS, ask=ask_endpoint
        )


def ask_endpoint(variables: Mapping[str, str]) -> float:
    """One request as an SDK makes it."""
    url = urlsplit(variables["AWS_CONTAINER_CREDENTIALS_FULL_URI"])
    head = (
        f"GET {url.path} HTTP/1.1\r\nHost: {url.netloc}\r\n"
        f"Authorization: {variables['AWS_CONTAINER_AUTHORIZATION_TOKEN']}\r\n\r\n"
    )
    begun = time.perf_counter()
    with socket.create_connection((url.hostname, url.port), _PATIENCE) as connection:
        connection.sendall(head.encode())
        received = b""
        while piece := connection.recv(65_536):
            received += piece
    taken = time.perf_counter() - begun
    if not received.startswith(b"HTTP/1.1 200 "):
        raise SystemExit(f"the endpoint answered {received[:300]!r}")
    return taken


@contextmanager
def _run(agentkeys: str, environ: Mapping[str, str]) -> Iterator[dict[str, str]]:
    """The variables of a run that lives for as long."""
    argv = [agentkeys, "exec", "--refresh", "--", "sh", "-c", _CHILD]
    with subprocess.Popen(
        argv, env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        told = b""
        while not told.endswith(b"\0\0"):
            piece = os.read(child.stdout.fileno(), 65_536) if child.stdout else b""
            if not piece:
                raise SystemExit("exec --refresh has ended")
            told += piece
        entries = told.decode().split("\0")
        yield dict(entry.split("=", 1) for entry in entries if entry)


@contextmanager
def _minting(environ: Mapping[str, str]) -> Iterator[None]:
    """Leases are minted one after the other during its `with`."""
    is_over = threading.Event()
    statuses = Counter[int]()

    def mint() -> None:
        while not is_over.wait(PAUSE):
            answer = request(
                "POST", "/v1/profiles/@default/refresh", environ=environ, body=_LONGEST
            )
            statuses[answer.status] += 1

    minting = threading.Thread(target=mint)
    minting.start()
    try:
        yield
    finally:
        is_over.set()
        minting.join()
    if list(statuses) != [200]:
        raise SystemExit(f"the daemon answered {dict(statuses)} to refreshes")
