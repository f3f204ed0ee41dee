"""From one daemon to the next in the same process: the sockets, and what memory alone holds.

A restart replaces the program and keeps its process. Its sockets go on listening meanwhile, so that
nobody is refused and no stranger can take the endpoint's port; whoever connects waits in the queue.
What a memory vault holds goes along in anonymous memory (memfd_create(2)), which no file system
ever sees.
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from agentkeys.errors import DaemonError
from agentkeys.interpreter import own_module
from agentkeys.secret import Secret

__all__ = ["FLAG", "Handover", "Taken", "take_over"]

FLAG = "--take-over"
"""Before the descriptors of both sockets and of the memory, with commas, -1 where there is none."""
_NONE = -1
_LARGEST = 16_777_216


@dataclass(frozen=True, slots=True, kw_only=True)
class Handover:
    """What a daemon that is to be restarted leaves behind."""

    environ: Mapping[str, str]
    """The settings of the next one."""
    listening: socket.socket
    """The Unix socket."""
    keeps_socket: bool
    """Whether somebody else has made it, who keeps it when the daemon ends."""
    endpoint: socket.socket | None
    blobs: Mapping[str, Secret] = field(default_factory=dict)
    """What the vault kept by account, where it was memory."""

    def become_next(self) -> None:
        """Replaces this program; returns only by raising OSError."""
        descriptors = (
            _given(self.listening),
            _given(self.endpoint) if self.endpoint else _NONE,
            _write(self.blobs) if self.blobs else _NONE,
        )
        told = ",".join(map(str, (*descriptors, int(self.keeps_socket))))
        argv = own_module("agentkeys_daemon", FLAG, told)
        os.execve(argv[0], argv, dict(self.environ))  # noqa: S606 - our own interpreter and module


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What the next one finds."""

    listening: socket.socket
    keeps_socket: bool
    endpoint: int | None
    """The descriptor of the endpoint's socket."""
    blobs: Mapping[str, Secret]


def take_over(told: str) -> Taken:
    """Reads what follows FLAG; raises DaemonError where that was not written by a Handover."""
    try:
        unix, endpoint, memory, keeps = map(int, told.split(","))
        listening = socket.socket(fileno=unix)
        listening.set_inheritable(False)
        listening.setblocking(False)
        return Taken(
            listening=listening,
            keeps_socket=bool(keeps),
            endpoint=None if endpoint == _NONE else endpoint,
            blobs={} if memory == _NONE else _read(memory),
        )
    except (ValueError, OSError) as problem:
        raise DaemonError(
            "there is nothing to take over", hint="run: agentkeys daemon start"
        ) from problem


def _given(found: socket.socket) -> int:
    found.set_inheritable(True)
    return found.fileno()


def _write(blobs: Mapping[str, Secret]) -> int:
    if not hasattr(os, "memfd_create"):  # macOS: who was logged in has to log in again
        return _NONE
    descriptor = os.memfd_create("agentkeys", 0)
    content = json.dumps({account: blob.reveal() for account, blob in blobs.items()}).encode()
    with os.fdopen(os.dup(descriptor), "wb") as memory:
        memory.write(content)
    return descriptor


def _read(descriptor: int) -> dict[str, Secret]:
    # Lost at worst: the sockets are worth more than what was in memory.
    with suppress(ValueError, OSError, AttributeError), os.fdopen(descriptor, "rb") as memory:
        memory.seek(0)
        found = json.loads(memory.read(_LARGEST))
        return {str(account): Secret(str(blob)) for account, blob in found.items()}
    return {}
