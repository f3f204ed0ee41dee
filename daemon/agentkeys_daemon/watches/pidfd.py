"""Watches processes on Linux, where a descriptor of one becomes readable when it has ended."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from typing import TYPE_CHECKING

from agentkeys.processes import ProcessId

if TYPE_CHECKING:
    from agentkeys_daemon.watches.watch import ProcessWatch

__all__ = ["PidfdWatch"]


class PidfdWatch:
    """A ProcessWatch that holds a descriptor for each process.

    Where it gets none, from a kernel before 5.3 or at the limit, it leaves the process to another
    watch.
    """

    def __init__(self, *, otherwise: ProcessWatch) -> None:
        self._otherwise = otherwise

    def watch(self, process: ProcessId, ended: Callable[[], None]) -> Callable[[], None]:
        try:
            descriptor = _open(process)
        except ProcessLookupError:
            return asyncio.get_running_loop().call_soon(ended).cancel
        except OSError:
            return self._otherwise.watch(process, ended)
        return _Watched(descriptor, ended).close


def _open(process: ProcessId) -> int:
    """A descriptor of this very process. Raises ProcessLookupError if it has ended, OSError."""
    descriptor = os.pidfd_open(process.pid)
    try:
        # From here on its pid is not used again without the descriptor telling.
        if not process.is_alive:
            raise ProcessLookupError(process.pid)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


class _Watched:
    """Owns the descriptor."""

    def __init__(self, descriptor: int, ended: Callable[[], None]) -> None:
        self._descriptor: int | None = descriptor
        self._ended = ended
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(descriptor, self._notice)

    def close(self) -> None:
        if self._descriptor is not None:
            self._loop.remove_reader(self._descriptor)
            os.close(self._descriptor)
            self._descriptor = None

    def _notice(self) -> None:
        self.close()
        self._ended()
