"""Linux: /proc/PID/stat, at some ten microseconds a process."""

from __future__ import annotations

import os

from agentkeys.processes.table import ProcessFacts

__all__ = ["LinuxProcesses"]

# The fields of proc(5) from the third one on, which is the state.
_STATE, _PARENT, _TERMINAL, _THREADS, _STARTED = 0, 1, 4, 17, 19
_MAX_BYTES = 4096


class LinuxProcesses:
    """A ProcessTable."""

    def facts(self, pid: int) -> ProcessFacts | None:
        try:
            stat = _read(pid)
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            return None
        # The second field is the program's name in brackets, and may hold brackets and spaces.
        fields = stat.rpartition(b")")[2].split(None, _STARTED + 1)
        # One whose first thread has ended looks like a zombie while its other threads run on.
        has_ended = fields[_STATE] in b"ZX" and int(fields[_THREADS]) <= 1
        started = fields[_STARTED]
        return ProcessFacts(
            parent=int(fields[_PARENT]),
            started=started.decode("ascii"),
            began=int(started),
            has_ended=has_ended,
            has_terminal=fields[_TERMINAL] != b"0",
        )


def _read(pid: int) -> bytes:
    # Without Path: the daemon looks at a whole line of ancestors while a client waits.
    descriptor = os.open(f"/proc/{pid}/stat", os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(descriptor, _MAX_BYTES)
    finally:
        os.close(descriptor)
