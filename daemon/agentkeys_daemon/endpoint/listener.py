"""The endpoint's listening socket: on 127.0.0.1 alone, new, known before or handed on."""

from __future__ import annotations

import random
import socket
from pathlib import Path

from agentkeys.errors import DaemonError
from agentkeys_daemon.listening import BACKLOG

__all__ = ["LOOPBACK", "EndpointUnavailable", "adopt", "listen"]

LOOPBACK = "127.0.0.1"
TRIES = 20
ROOM = 500
"""So many ports above the ephemeral ones are enough to find a free one by chance."""
LAST_PORT = 65_535
# Where the system does not tell, its ephemeral ports may go up to the last.
_EPHEMERAL_PORTS = Path("/proc/sys/net/ipv4/ip_local_port_range")


class EndpointUnavailable(DaemonError):
    """Programs under `exec` that come for credentials cannot reach the daemon."""

    code = "endpoint_unavailable"


def listen(port: int | None = None) -> socket.socket:
    """A socket that listens on `port`, or else on one that few others will ever ask for.

    Raises EndpointUnavailable, for one when somebody else has taken `port`.
    """
    if port is not None:
        return _bound(port)
    for candidate in _quiet_ports():
        try:
            return _bound(candidate)
        except EndpointUnavailable:
            continue
    return _bound(0)


def adopt(descriptor: int) -> socket.socket:
    """A socket of `listen` that the daemon before us has left open.

    Raises EndpointUnavailable for anything else, and leaves that alone.
    """
    try:
        # With its protocol, and not as the system tells it: see _bound.
        found = socket.socket(
            socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, fileno=descriptor
        )
    except (OSError, ValueError) as problem:
        raise _not_ours(descriptor) from problem
    if not _is_ours(found):
        found.detach()
        raise _not_ours(descriptor)
    # Whoever handed it on left it open across exec, for us and not for our children.
    found.set_inheritable(False)
    found.setblocking(False)
    return found


def _is_ours(found: socket.socket) -> bool:
    try:
        kind = found.getsockopt(socket.SOL_SOCKET, socket.SO_TYPE)
        listens = found.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
        name = found.getsockname()
    except OSError:
        return False
    return kind == socket.SOCK_STREAM and bool(listens) and name[0:1] == (LOOPBACK,)


def _not_ours(descriptor: int) -> EndpointUnavailable:
    return EndpointUnavailable(
        f"descriptor {descriptor} is not a socket that listens on {LOOPBACK}",
        hint="run: agentkeys daemon restart",
    )


def _bound(port: int) -> socket.socket:
    # asyncio sets TCP_NODELAY only where it sees the protocol. Without it the second half of an
    # answer waits 40 ms for the client's acknowledgement of the first.
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        # A port whose last connections have just been closed is free; one that answers is not.
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((LOOPBACK, port))
        listening.listen(BACKLOG)
    except (OSError, OverflowError) as problem:
        listening.close()
        raise EndpointUnavailable(
            f"nothing can listen on {LOOPBACK}:{port}: {_reason(problem)}",
            hint="end whatever holds that port and run: agentkeys daemon restart",
        ) from problem
    listening.setblocking(False)
    return listening


def _reason(problem: OSError | OverflowError) -> str:
    return (isinstance(problem, OSError) and problem.strerror) or str(problem)


def _quiet_ports() -> list[int]:
    """Some ports that the system gives to no outgoing connection, if it leaves any.

    After a crash a port has to be had again, and any connection may have got an ephemeral one.
    """
    try:
        last = int(_EPHEMERAL_PORTS.read_text(encoding="ascii").split()[1])
    except (OSError, ValueError, IndexError):
        return []
    free = range(last + 1, LAST_PORT + 1)
    return random.sample(free, TRIES) if len(free) >= ROOM else []
