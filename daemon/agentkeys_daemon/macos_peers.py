"""Who is at the other end of a Unix socket on macOS. Untested there."""

from __future__ import annotations

import socket
import struct
import sys

__all__ = ["HAS_PID_NAMESPACES", "credentials_of", "is_there"]

HAS_PID_NAMESPACES = False

_XUCRED = struct.Struct("IIh2x16I")  # struct xucred, whose second field is the uid
_SOL_LOCAL = 0
_LOCAL_PEERCRED = 1
_LOCAL_PEERPID = 2


def credentials_of(connection: socket.socket) -> tuple[int, int]:
    """The peer's uid, and its pid as it was when it connected. Raises OSError."""
    found = connection.getsockopt(_SOL_LOCAL, _LOCAL_PEERCRED, _XUCRED.size)
    pid = connection.getsockopt(_SOL_LOCAL, _LOCAL_PEERPID, 4)
    return _XUCRED.unpack(found)[1], int.from_bytes(pid, sys.byteorder)


def is_there(connection: socket.socket) -> bool:
    """Whether that pid is still the peer's own, which has to be believed here."""
    return connection.fileno() >= 0
