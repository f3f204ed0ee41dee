"""Tell when a process ends that is no child of ours: one file for each way of the system's."""

from __future__ import annotations

import sys

from agentkeys_daemon.watches.polling import PollingWatch
from agentkeys_daemon.watches.watch import ProcessWatch

if sys.platform == "darwin":
    from agentkeys_daemon.watches.kqueue import KqueueWatch as SystemWatch
else:
    from agentkeys_daemon.watches.pidfd import PidfdWatch as SystemWatch

__all__ = ["ProcessWatch", "process_watch"]


def process_watch() -> ProcessWatch:
    """The best that this system has."""
    return SystemWatch(otherwise=PollingWatch())
