"""Tells when a process ends that is no child of ours."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Protocol

from agentkeys.processes import ProcessId
from agentkeys_daemon.polling_watch import PollingWatch

if sys.platform == "darwin":
    from agentkeys_daemon.kqueue_watch import KqueueWatch as SystemWatch
else:
    from agentkeys_daemon.pidfd_watch import PidfdWatch as SystemWatch

__all__ = ["ProcessWatch", "process_watch"]


class ProcessWatch(Protocol):
    """Watches from within a running event loop."""

    def watch(self, process: ProcessId, ended: Callable[[], None]) -> Callable[[], None]:
        """Calls `ended` once, in the loop, when the process has ended; soon if it already has.

        Never calls it before this returns. What this returns cancels the watch, as often as it is
        called, and from then on `ended` is not called any more.
        """


def process_watch() -> ProcessWatch:
    """The best that this system has."""
    return SystemWatch(otherwise=PollingWatch())
