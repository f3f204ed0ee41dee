"""What programs of a test have left behind, found by its descent (Linux)."""

from __future__ import annotations

import ctypes
import os
import signal
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

__all__ = ["Offspring", "offspring"]

_PR_SET_CHILD_SUBREAPER = 36
_DAEMON = "agentkeys_daemon"


class Offspring:
    """This process's descendants, those included that have detached."""

    def __init__(self) -> None:
        self._seen: set[int] = set()

    def daemons(self) -> list[int]:
        """The pids of daemons that run, and of launchers, whose command line is the same."""
        return self.running(_DAEMON)

    def running(self, module: str) -> list[int]:
        """The pids of those that run a module of ours."""
        children = _children()
        found, open_ends = [], [os.getpid()]
        while open_ends:
            below = children[open_ends.pop()]
            open_ends += below
            found += [pid for pid in below if module.encode() in _command_line(pid)]
        self._seen |= set(found)
        return found

    def kill(self, *pids: int) -> None:
        """With SIGKILL; returns when nothing of them is left, their open sockets included."""
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        # One that looks dead may still have threads that hold its sockets; it can be waited for
        # only after them, by its parent, which is us as soon as a launcher is gone.
        while any(Path("/proc", str(pid)).exists() for pid in pids):
            self.bury()
            time.sleep(0.001)

    def bury(self) -> None:
        """Waits for those that have ended and become our own children."""
        for pid in self._seen:
            with suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)


@contextmanager
def offspring() -> Iterator[Offspring]:
    """While the block runs, whoever has lost its parent below this process becomes its child.

    The daemons that are left are killed on the way out.
    """
    found = Offspring()
    _adopt(True)
    try:
        yield found
    finally:
        while left := found.daemons():
            found.kill(*left)
        found.bury()
        _adopt(False)


def _adopt(wanted: bool) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_CHILD_SUBREAPER, int(wanted), 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "this system does not hand orphans over")


def _children() -> dict[int, list[int]]:
    found: defaultdict[int, list[int]] = defaultdict(list)
    for entry in os.listdir("/proc"):  # noqa: PTH208 - names alone, asked again and again
        if entry.isdecimal() and (stat := _read(entry, "stat")):
            # After the program's name, which may hold anything: the state, then the parent.
            found[int(stat.rpartition(b")")[2].split()[1])].append(int(entry))
    return found


def _command_line(pid: int) -> bytes:
    """Empty for one that has ended and was not waited for."""
    return _read(str(pid), "cmdline")


def _read(pid: str, name: str) -> bytes:
    try:
        return Path("/proc", pid, name).read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""
