"""Watches processes on macOS, by a kqueue for each. Untested there."""

from __future__ import annotations

import select
import sys

from agentkeys_daemon.watches.descriptors import Descriptor, DescriptorWatch

__all__ = ["KqueueWatch"]

if sys.platform == "darwin":

    class KqueueWatch(DescriptorWatch):
        """A ProcessWatch whose descriptors are queues that a process's end lands in."""

        def _open(self, pid: int) -> Descriptor:
            queue = select.kqueue()
            event = select.kevent(
                pid,
                filter=select.KQ_FILTER_PROC,
                flags=select.KQ_EV_ADD | select.KQ_EV_ONESHOT,
                fflags=select.KQ_NOTE_EXIT,
            )
            try:
                queue.control([event], 0, 0)
            except OSError:
                queue.close()
                raise
            return queue
