"""What a system's table of processes has to tell."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

__all__ = ["ProcessFacts", "ProcessTable"]


@dataclass(frozen=True, slots=True)
class ProcessFacts:
    """One line of the table, as it was a moment ago."""

    parent: int
    """Its pid; 0 where there is none, or none in our pid namespace."""
    started: str
    """When it began, in the system's own words: tells it from a later process with its pid."""
    began: int
    """The same as a number, in units of the system's own: a parent's is never the larger one."""
    has_ended: bool
    """Nothing of it runs any more; its parent has only not waited for it."""
    has_terminal: bool = False
    """Whether its session has a controlling terminal, whatever it reads from and writes to."""


class ProcessTable(Protocol):
    """All processes that we can see."""

    def facts(self, pid: int) -> ProcessFacts | None:
        """None where there is no such process, or another user's that is kept from us.

        Raises OSError where we cannot look, as without a file descriptor to spare.
        """
