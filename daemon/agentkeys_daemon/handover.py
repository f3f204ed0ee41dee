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
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agentkeys.errors import DaemonError
from agentkeys.interpreter import own_module
from agentkeys.secret import Secret

__all__ = ["FLAG", "Handover", "Taken", "take_over"]

FLAG = "--take-over"
"""Before three descriptors, of both sockets and of the memory, -1 where there is none, and whether
the first socket is to be kept at the end: with commas between."""
_NONE = -1


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
    runs: Sequence[Mapping[str, Any]] = ()
    """The runs as documents: what is on record of them may have found no room on the disk."""
    waiting: Sequence[str] = ()
    """The ledger's records that have found no room either."""

    def become_next(self) -> None:
        """Replaces this program; returns only by raising DaemonError."""
        descriptors = (
            _given(self.listening),
            _given(self.endpoint) if self.endpoint else _NONE,
            self._write(),
        )
        told = ",".join(map(str, (*descriptors, int(self.keeps_socket))))
        argv = own_module("agentkeys_daemon", FLAG, told)
        try:
            os.execve(argv[0], argv, dict(self.environ))  # noqa: S606 - our interpreter and module
        except OSError as problem:
            if not self.keeps_socket:
                Path(self.listening.getsockname()).unlink(missing_ok=True)
            raise DaemonError(
                f"{argv[0]} cannot be run: {problem.strerror or problem}",
                hint="install agentkeys anew, then run: agentkeys daemon start",
            ) from problem

    def _write(self) -> int:
        """The descriptor of what memory alone holds."""
        if not hasattr(os, "memfd_create"):  # macOS: who was logged in has to log in again
            return _NONE
        descriptor = os.memfd_create("agentkeys", 0)
        held = {
            "blobs": {account: blob.reveal() for account, blob in self.blobs.items()},
            "runs": self.runs,
            "waiting": self.waiting,
        }
        with os.fdopen(os.dup(descriptor), "wb") as memory:
            memory.write(json.dumps(held).encode())
        return descriptor


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What the next one finds."""

    listening: socket.socket
    keeps_socket: bool
    endpoint: int | None
    """The descriptor of the endpoint's socket."""
    blobs: Mapping[str, Secret]
    runs: Sequence[Mapping[str, Any]]
    waiting: Sequence[str]


def take_over(told: str) -> Taken:
    """Reads what follows FLAG; raises DaemonError where that was not written by a Handover."""
    try:
        unix, endpoint, memory, keeps = map(int, told.split(","))
        listening = socket.socket(fileno=unix)
        listening.set_inheritable(False)
        listening.setblocking(False)
        held = {} if memory == _NONE else _read(memory)
        blobs = held.get("blobs", {})
        return Taken(
            listening=listening,
            keeps_socket=bool(keeps),
            endpoint=None if endpoint == _NONE else endpoint,
            blobs={str(account): Secret(str(blob)) for account, blob in blobs.items()},
            runs=held.get("runs", ()),
            waiting=tuple(map(str, held.get("waiting", ()))),
        )
    except (ValueError, OSError) as problem:
        raise DaemonError(
            "there is nothing to take over", hint="run: agentkeys daemon start"
        ) from problem


def _given(found: socket.socket) -> int:
    found.set_inheritable(True)
    return found.fileno()


def _read(descriptor: int) -> dict[str, Any]:
    # Lost at worst: the sockets are worth more than what was in memory.
    with suppress(ValueError, OSError), os.fdopen(descriptor, "rb") as memory:
        memory.seek(0)
        found = json.load(memory)
        return found if isinstance(found, dict) else {}
    return {}
