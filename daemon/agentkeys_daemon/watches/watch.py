"""What a watch promises."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from agentkeys.processes import ProcessId

__all__ = ["ProcessWatch"]


class ProcessWatch(Protocol):
    """Watches from within a running event loop."""

    def watch(self, process: ProcessId, ended: Callable[[], None]) -> Callable[[], None]:
        """Calls `ended` once, in the loop, when the process has ended; soon if it already has.

        Never calls it before this returns. What this returns cancels the watch, as often as it is
        called, and from then on `ended` is not called any more.
        """
