"""Who is at the other end of a connection on our socket, as the kernel tells it."""

from __future__ import annotations

import os
import socket
import struct
import sys
from dataclasses import dataclass

__all__ = ["Peer", "is_ours", "itself", "peer_of"]

_UCRED = struct.Struct("iII")  # pid, uid, gid: struct ucred of Linux
_XUCRED = struct.Struct("IIh2x16I")  # struct xucred of macOS, whose second field is the uid
_SOL_LOCAL = 0
_LOCAL_PEERCRED = 1


@dataclass(frozen=True, slots=True)
class Peer:
    """A client process; the pid is None where the system does not tell it."""

    uid: int
    pid: int | None

    def executable(self) -> str | None:
        return self._link("exe")

    def parent_executable(self) -> str | None:
        parent = self._parent()
        return Peer(self.uid, parent).executable() if parent else None

    def folder(self) -> str | None:
        return self._link("cwd")

    def _link(self, name: str) -> str | None:
        # Without Path: every request that is served is recorded with three of these.
        try:
            return os.readlink(f"/proc/{self.pid}/{name}") if self.pid else None  # noqa: PTH115
        except OSError:
            return None

    def _parent(self) -> int | None:
        try:
            with open(f"/proc/{self.pid}/stat", "rb", buffering=0) as file:  # noqa: PTH123
                return int(file.read(4096).rpartition(b")")[2].split()[1])
        except (OSError, ValueError, IndexError):
            return None


def itself() -> Peer:
    """Who acts when the daemon does something unasked."""
    return Peer(uid=os.getuid(), pid=os.getpid())


def peer_of(connection: socket.socket) -> Peer | None:
    """The peer of a Unix socket; None where the kernel will not tell, which is no peer of ours."""
    try:
        if sys.platform == "darwin":
            found = connection.getsockopt(_SOL_LOCAL, _LOCAL_PEERCRED, _XUCRED.size)
            return Peer(uid=_XUCRED.unpack(found)[1], pid=None)
        found = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)
    except OSError:
        return None
    pid, uid, _ = _UCRED.unpack(found)
    return Peer(uid=uid, pid=pid or None)


def is_ours(peer: Peer | None) -> bool:
    """Whether the peer is the very user this daemon runs for; root is another user too."""
    return peer is not None and peer.uid == os.getuid()
