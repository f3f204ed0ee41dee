"""macOS: struct proc_bsdinfo of libproc. Untested there."""

from __future__ import annotations

import ctypes
import errno
import os
import struct

from agentkeys.processes.table import ProcessFacts

__all__ = ["MacProcesses"]

_PROC_PIDTBSDINFO = 3
_ZOMBIES_TOO = 1
_SZOMB = 5
_BYTES = 136
_STATUS_AND_PARENT = struct.Struct("=4xI8xI")
_TERMINAL = struct.Struct("=108xI")
_NO_TERMINAL = (0, 0xFFFF_FFFF)
"""NODEV, or what was never filled in."""
_STARTED = struct.Struct("=120xQQ")
"""Seconds and microseconds."""


class MacProcesses:
    """A ProcessTable."""

    def __init__(self) -> None:
        self._ask = ctypes.CDLL(None, use_errno=True).proc_pidinfo
        self._ask.argtypes = (
            ctypes.c_int,
            ctypes.c_int,
            ctypes.c_uint64,
            ctypes.c_void_p,
            ctypes.c_int,
        )

    def facts(self, pid: int) -> ProcessFacts | None:
        info = ctypes.create_string_buffer(_BYTES)
        if self._ask(pid, _PROC_PIDTBSDINFO, _ZOMBIES_TOO, info, _BYTES) != _BYTES:
            number = ctypes.get_errno()
            if number in (errno.ESRCH, errno.EPERM):
                return None
            raise OSError(number, os.strerror(number))
        status, parent = _STATUS_AND_PARENT.unpack_from(info)
        (terminal,) = _TERMINAL.unpack_from(info)
        seconds, microseconds = _STARTED.unpack_from(info)
        return ProcessFacts(
            parent=parent,
            started=f"{seconds}.{microseconds:06}",
            began=seconds * 1_000_000 + microseconds,
            has_ended=status == _SZOMB,
            has_terminal=terminal not in _NO_TERMINAL,
        )
