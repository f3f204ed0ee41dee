"""Free ports for the store's servers, each with the one 10000 above it for its gRPC side."""

from __future__ import annotations

import random
import socket
from collections.abc import Callable

from agentkeys.errors import SandboxError

__all__ = ["GRPC_OFFSET", "choose_ports", "is_port_free"]

GRPC_OFFSET = 10_000
# Both halves stay below the ports that Linux (32768) and macOS (49152) give to outgoing calls.
_FIRST, _LAST = 12_000, 21_999
_TRIES = 500


def choose_ports(count: int, *, is_free: Callable[[int], bool] | None = None) -> tuple[int, ...]:
    """`count` different ports that are free on 127.0.0.1 now, and whose gRPC ports are free too.

    They are random, so that two sandboxes that start together hardly ever meet; nothing is held,
    and a caller who finds one taken asks again. Raises SandboxError when there are not enough.
    """
    free = is_free or is_port_free
    chosen: list[int] = []
    for port in random.sample(range(_FIRST, _LAST + 1), _TRIES):
        if free(port) and free(port + GRPC_OFFSET):
            chosen.append(port)
        if len(chosen) == count:
            return tuple(chosen)
    raise SandboxError(
        f"no {count} free ports between {_FIRST} and {_LAST}",
        hint="end some of the servers on this machine and try again",
    )


def is_port_free(port: int) -> bool:
    """Whether a server could listen on `port` of 127.0.0.1 at this moment."""
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
