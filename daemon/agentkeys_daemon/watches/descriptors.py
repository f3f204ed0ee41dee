"""Watching by a descriptor that becomes readable when its process has ended."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Protocol

from agentkeys.processes import ProcessId
from agentkeys_daemon.watches.watch import ProcessWatch

__all__ = ["Descriptor", "DescriptorWatch"]


class Descriptor(Protocol):
    """Becomes readable when a process has ended."""

    def fileno(self) -> int: ...

    def close(self) -> None: ...


class DescriptorWatch(ABC):
    """A ProcessWatch that holds a descriptor for each process.

    Where it gets none, as at the limit, it leaves the process to another watch.
    """

    def __init__(self, *, otherwise: ProcessWatch) -> None:
        self._otherwise = otherwise

    def watch(self, process: ProcessId, ended: Callable[[], None]) -> Callable[[], None]:
        try:
            descriptor = self._open_checked(process)
        except ProcessLookupError:
            return asyncio.get_running_loop().call_soon(ended).cancel
        except OSError:
            return self._otherwise.watch(process, ended)
        return _Watched(descriptor, ended).close

    @abstractmethod
    def _open(self, pid: int) -> Descriptor:
        """Of whoever has that pid. Raises ProcessLookupError if nobody has, OSError."""

    def _open_checked(self, process: ProcessId) -> Descriptor:
        """Of this very process. Raises ProcessLookupError if it has ended, OSError."""
        descriptor = self._open(process.pid)
        try:
            # From here on its pid is not used again without the descriptor telling.
            if not process.is_alive:
                raise ProcessLookupError(process.pid)
        except OSError:
            descriptor.close()
            raise
        return descriptor


class _Watched:
    """Owns the descriptor."""

    def __init__(self, descriptor: Descriptor, ended: Callable[[], None]) -> None:
        self._descriptor: Descriptor | None = descriptor
        self._ended = ended
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(descriptor.fileno(), self._notice)

    def close(self) -> None:
        if self._descriptor is not None:
            self._loop.remove_reader(self._descriptor.fileno())
            self._descriptor.close()
            self._descriptor = None

    def _notice(self) -> None:
        self.close()
        self._ended()
