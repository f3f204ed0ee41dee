"""Watches processes on macOS, by kqueue. Untested there."""

from __future__ import annotations

import asyncio
import select
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from agentkeys.processes import ProcessId

if TYPE_CHECKING:
    from agentkeys_daemon.watches.watch import ProcessWatch

__all__ = ["KqueueWatch"]

if sys.platform == "darwin":

    class KqueueWatch:
        """A ProcessWatch that holds a queue for each process, or leaves it to another watch."""

        def __init__(self, *, otherwise: ProcessWatch) -> None:
            self._otherwise = otherwise

        def watch(self, process: ProcessId, ended: Callable[[], None]) -> Callable[[], None]:
            try:
                queue = _open(process)
            except ProcessLookupError:
                return asyncio.get_running_loop().call_soon(ended).cancel
            except OSError:
                return self._otherwise.watch(process, ended)
            return _Watched(queue, ended).close

    def _open(process: ProcessId) -> select.kqueue:
        """A queue that this very process's end lands in. Raises ProcessLookupError, OSError."""
        queue = select.kqueue()
        event = select.kevent(
            process.pid,
            filter=select.KQ_FILTER_PROC,
            flags=select.KQ_EV_ADD | select.KQ_EV_ONESHOT,
            fflags=select.KQ_NOTE_EXIT,
        )
        try:
            queue.control([event], 0, 0)
            if not process.is_alive:
                raise ProcessLookupError(process.pid)
        except OSError:
            queue.close()
            raise
        return queue

    class _Watched:
        """Owns the queue."""

        def __init__(self, queue: select.kqueue, ended: Callable[[], None]) -> None:
            self._queue = queue
            self._ended = ended
            self._loop = asyncio.get_running_loop()
            self._loop.add_reader(queue.fileno(), self._notice)

        def close(self) -> None:
            if not self._queue.closed:
                self._loop.remove_reader(self._queue.fileno())
                self._queue.close()

        def _notice(self) -> None:
            self.close()
            self._ended()
