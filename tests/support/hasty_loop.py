"""An event loop whose timers a test can bring forward."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

__all__ = ["HastyLoop", "run_hastily"]

T = TypeVar("T")


class HastyLoop(asyncio.SelectorEventLoop):
    """Its time is the system's and what `skip` has added."""

    _skipped = 0.0

    def time(self) -> float:
        return super().time() + self._skipped

    def skip(self, seconds: float) -> None:
        """Whatever was to happen within `seconds` happens now."""
        self._skipped += seconds


def run_hastily(story: Coroutine[Any, Any, T]) -> T:
    """Plays the story in a HastyLoop."""
    with asyncio.Runner(loop_factory=HastyLoop) as runner:
        return runner.run(story)
