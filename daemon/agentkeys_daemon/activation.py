"""A listening socket that somebody else has made for us: systemd's protocol, sd_listen_fds(3)."""

from __future__ import annotations

import os
import socket
from collections.abc import MutableMapping
from pathlib import Path

from agentkeys.errors import DaemonError
from agentkeys.starter import daemon_environment

__all__ = ["HandedSocket", "clean_environment", "take_handed_socket"]

_FIRST = 3
_VARIABLES = ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "LISTEN_PIDFDID")


class HandedSocket:
    """A socket that was bound before us and outlives us: its holder starts the next daemon."""

    def __init__(self, listening: socket.socket, path: Path) -> None:
        self.socket = listening
        self.path = path

    def remove(self) -> None:
        """Leaves it in its place."""


def take_handed_socket(environ: MutableMapping[str, str]) -> HandedSocket | None:
    """The socket that was handed to this very process; None where none was.

    Takes the protocol's variables out of `environ`, since they concern no child of ours. Raises
    DaemonError for anything but one listening Unix stream socket at the path that AGENTKEYS_SOCKET
    names, if it names one.
    """
    told = {name: environ.pop(name, "") for name in _VARIABLES}
    if told["LISTEN_PID"] != str(os.getpid()):
        return None
    if told["LISTEN_FDS"] != "1":
        raise _unusable(f"{told['LISTEN_FDS'] or 'no'} sockets were handed over, not one")
    handed = _listening(_FIRST)
    path = _path(handed)
    wanted = environ.get("AGENTKEYS_SOCKET")
    if wanted and wanted != path:
        raise _unusable(f"the socket handed over is at {path}, AGENTKEYS_SOCKET is {wanted}")
    return HandedSocket(handed, Path(path))


def clean_environment(environ: MutableMapping[str, str]) -> None:
    """Leaves what a client would have let us see: a service manager hands on all that it has."""
    kept = daemon_environment(environ)
    environ.clear()
    environ.update(kept)


def _listening(descriptor: int) -> socket.socket:
    try:
        found = socket.socket(fileno=descriptor)
        listens = found.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    except OSError as problem:
        raise _unusable(
            f"what was handed over is no socket: {problem.strerror or problem}"
        ) from problem
    if (found.family, found.type) != (socket.AF_UNIX, socket.SOCK_STREAM) or not listens:
        raise _unusable("what was handed over is no listening Unix stream socket")
    # Whoever hands it over leaves it open across exec, for us and not for our children.
    found.set_inheritable(False)
    found.setblocking(False)
    return found


def _path(handed: socket.socket) -> str:
    name = handed.getsockname()
    # One in Linux's abstract name space comes as bytes: any user could have bound it.
    if not isinstance(name, str) or not name.startswith("/"):
        raise _unusable("the socket handed over has no absolute path")
    return name


def _unusable(what: str) -> DaemonError:
    return DaemonError(what, hint="run: agentkeys daemon install, or start it without a socket")
