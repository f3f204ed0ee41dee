"""A program: many processes that want the daemon at the same instant.

Prints, a line for each, the pid of the daemon that answered it, or how it failed.
"""

from __future__ import annotations

import json
import os
import sys

from agentkeys.client import request
from agentkeys.starter import ensure_daemon


def race(count: int) -> None:
    """Forks, which costs least, so that all of them really start together."""
    reader, starting_shot = os.pipe()
    children = []
    for _ in range(count):
        child = os.fork()
        if not child:
            os.close(starting_shot)
            os.read(reader, 1)  # returns once nobody holds the other end any more
            _want()
        children.append(child)
    os.close(starting_shot)
    for child in children:
        os.waitpid(child, 0)


def _want() -> None:
    try:
        answer = _pid()
    except Exception as problem:  # noqa: BLE001 - a child's top level
        answer = f"{type(problem).__name__}: {problem}"
    os.write(1, f"{answer}\n".encode())  # one write, so that lines do not mix
    os._exit(0)


def _pid() -> str:
    ensure_daemon(os.environ)
    response = request("GET", "/v1/health", environ=os.environ)
    return str(json.loads(response.body)["pid"])


if __name__ == "__main__":
    race(int(sys.argv[1]))
