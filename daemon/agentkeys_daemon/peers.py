"""Who is at the other end of a connection on our socket, as the kernel tells it."""

from __future__ import annotations

import os
import socket
import sys
from dataclasses import dataclass, field

from agentkeys.processes import ProcessFacts, ProcessId, facts_of

if sys.platform == "darwin":
    from agentkeys_daemon.macos_peers import HAS_PID_NAMESPACES, credentials_of, is_there
else:
    from agentkeys_daemon.linux_peers import HAS_PID_NAMESPACES, credentials_of, is_there

__all__ = ["Peer", "is_ours", "itself", "peer_of"]


@dataclass(frozen=True, slots=True)
class Peer:
    """A client process."""

    uid: int
    pid: int | None
    """None where the system does not tell it."""
    process: ProcessId | None = None
    """The same, told from a later one with its pid; None if it had ended when it was looked at."""
    is_elsewhere: bool = False
    """It lives in another pid namespace, so that nothing more can be known about it."""
    parent_pid: int | None = field(default=None, compare=False)
    """As it was when the peer was looked at, for whoever asks for it on every request."""

    def executable(self) -> str | None:
        return self._link("exe")

    def parent_executable(self) -> str | None:
        parent = self.parent()
        return Peer(self.uid, parent).executable() if parent else None

    def folder(self) -> str | None:
        return self._link("cwd")

    def _link(self, name: str) -> str | None:
        # Without Path: every request that is served is recorded with three of these.
        try:
            return os.readlink(f"/proc/{self.pid}/{name}") if self.pid else None  # noqa: PTH115
        except OSError:
            return None

    def has_terminal(self) -> bool:
        """Whether a person may be at its controlling terminal; of whom nobody knows, none is."""
        if self.process is None:
            return False
        try:
            facts = facts_of(self.process.pid)
        except OSError:
            return False
        return facts is not None and facts.has_terminal and facts.started == self.process.started

    def parent(self) -> int | None:
        if self.parent_pid is not None:
            return self.parent_pid
        try:
            facts = facts_of(self.pid) if self.pid else None
        except OSError:
            return None
        return facts.parent if facts else None


def itself() -> Peer:
    """Who acts when the daemon does something unasked."""
    return Peer(uid=os.getuid(), pid=os.getpid(), process=ProcessId.of(os.getpid()))


def peer_of(connection: socket.socket) -> Peer | None:
    """The peer of a Unix socket; None where the kernel will not tell, which is no peer of ours.

    It is the process that has connected, whoever uses the connection later.
    """
    try:
        uid, pid = credentials_of(connection)
    except OSError:
        return None
    if not pid:
        return Peer(uid=uid, pid=None, is_elsewhere=HAS_PID_NAMESPACES)
    facts = _facts(connection, pid)
    if facts is None:
        return Peer(uid=uid, pid=pid)
    process = ProcessId(pid, facts.started)
    return Peer(uid=uid, pid=pid, process=process, parent_pid=facts.parent)


def is_ours(peer: Peer | None) -> bool:
    """Whether the peer is the very user this daemon runs for; root is another user too."""
    return peer is not None and peer.uid == os.getuid()


def _facts(connection: socket.socket, pid: int) -> ProcessFacts | None:
    """Of the peer itself: it may have ended since it connected, and somebody else got its pid."""
    try:
        found = facts_of(pid)
        # In this order: while the peer is there, what has been read of its pid was its own.
        return found if found and not found.has_ended and is_there(connection) else None
    except OSError:
        return None
