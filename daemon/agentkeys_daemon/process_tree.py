"""Whose descendant a process is, and the run that it was once started in."""

from __future__ import annotations

import os
from collections.abc import Callable

from agentkeys.processes import ProcessFacts, ProcessId, facts_of

__all__ = ["AncestryUnknown", "ancestors", "initial_run"]

DEEPEST = 256
"""Levels; real trees have a dozen, and a client must not keep the daemon climbing."""

_ATTEMPTS = 5
_RUN = b"\0AGENTKEYS_RUN="
_PIECE = 65_536
_MAX_ENVIRONMENT = 8 * 1024 * 1024
"""Bytes; Linux lets a program have six megabytes of arguments and environment."""

Look = Callable[[int], ProcessFacts | None]


class AncestryUnknown(LookupError):
    """Nobody can tell whose descendant a process is: where trust hangs on it, expect the worst."""


def ancestors(
    process: ProcessId, *, limit: int = DEEPEST, look: Look = facts_of
) -> tuple[ProcessId, ...]:
    """The process itself and its parents, up to pid 1 or the first that is kept from us.

    Microseconds a level on Linux. Raises AncestryUnknown for a process that has ended, that has
    more than `limit` levels above it, or above which parents keep ending while we look.
    """
    for _ in range(_ATTEMPTS):
        line = _climb(process, limit, look)
        if line is not None:
            return line
    raise AncestryUnknown(f"the parents of process {process.pid} come and go")


def _climb(process: ProcessId, limit: int, look: Look) -> tuple[ProcessId, ...] | None:
    """None where a parent ended meanwhile, so that what is above it may be somebody else's."""
    line = [process]
    facts = look(process.pid)
    if facts is None or facts.has_ended or facts.started != process.started:
        raise AncestryUnknown(f"process {process.pid} has ended")
    while facts.parent:
        if len(line) > limit:
            raise AncestryUnknown(f"process {process.pid} lies deeper than {limit} levels")
        parent = look(facts.parent)
        if parent is None:
            # Another user's, and /proc mounted with hidepid: nothing above it can be seen.
            return tuple(line) if _same(look(line[-1].pid), facts) else None
        # One that has ended has no children any more, and while it is let go no parent either.
        if parent.has_ended or parent.began > facts.began:
            return None
        line.append(ProcessId(facts.parent, parent.started))
        facts = parent
    return tuple(line)


def _same(now: ProcessFacts | None, before: ProcessFacts) -> bool:
    """Whether it is the same process with the same parent."""
    return now is not None and (now.started, now.parent) == (before.started, before.parent)


def initial_run(process: ProcessId) -> str | None:
    """The AGENTKEYS_RUN that its program was started with, if only with an empty value.

    None where there is none, or where the system keeps it from us (macOS, a setuid program). What
    a program does to its own environment later does not show; another execve does.
    """
    try:
        # A NUL before the first entry too.
        environment = b"\0" + _environment(process.pid)
    except OSError:
        return None
    _, found, rest = environment.partition(_RUN)
    return rest.partition(b"\0")[0].decode("utf-8", "surrogateescape") if found else None


def _environment(pid: int) -> bytes:
    descriptor = os.open(f"/proc/{pid}/environ", os.O_RDONLY | os.O_CLOEXEC)
    try:
        pieces = bytearray()
        while len(pieces) < _MAX_ENVIRONMENT and (piece := os.read(descriptor, _PIECE)):
            pieces += piece
    finally:
        os.close(descriptor)
    return bytes(pieces)
