"""Who is at the other end of a Unix socket on Linux."""

from __future__ import annotations

import errno
import os
import signal
import socket
import struct
import sys

__all__ = ["HAS_PID_NAMESPACES", "credentials_of", "is_there"]

HAS_PID_NAMESPACES = True

_UCRED = struct.Struct("iII")  # pid, uid, gid
_SO_PEERPIDFD = 77  # since Linux 6.5; Python does not name it
_TOO_OLD = (errno.ENOPROTOOPT, errno.ENOSYS)  # EINVAL is of kernels to which the peer is gone


def credentials_of(connection: socket.socket) -> tuple[int, int]:
    """The peer's uid, and its pid as it was when it connected; 0 in a namespace that is not ours.

    Raises OSError.
    """
    found = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)
    pid, uid, _ = _UCRED.unpack(found)
    return uid, pid


def is_there(connection: socket.socket) -> bool:
    """Whether that pid is still the peer's own: it runs, or nobody has waited for it yet."""
    try:
        told = connection.getsockopt(socket.SOL_SOCKET, _SO_PEERPIDFD, 4)
        descriptor = int.from_bytes(told, sys.byteorder)
        try:
            signal.pidfd_send_signal(descriptor, 0)
        finally:
            os.close(descriptor)
    except PermissionError:
        return True  # it has become another user's since
    except OSError as problem:
        # A kernel that does not know has to be believed; one to which the peer is gone says so.
        return problem.errno in _TOO_OLD
    return True
