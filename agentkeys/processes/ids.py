"""Which process it is: pids are used again."""

from __future__ import annotations

import sys
from dataclasses import dataclass

from agentkeys.processes.table import ProcessFacts, ProcessTable

if sys.platform == "darwin":
    from agentkeys.processes.macos import MacProcesses as Processes
else:
    from agentkeys.processes.linux import LinuxProcesses as Processes

__all__ = ["ProcessId", "facts_of"]

_TABLE: ProcessTable = Processes()


def facts_of(pid: int) -> ProcessFacts | None:
    """What this system tells of process `pid`; see `ProcessTable.facts`."""
    return _TABLE.facts(pid)


@dataclass(frozen=True, slots=True)
class ProcessId:
    """A process, told from a later one with its pid."""

    pid: int
    started: str
    """When it began, as the system words it."""

    @classmethod
    def of(cls, pid: int) -> ProcessId | None:
        """None where it does not run: one that has ended does not, waited for or not."""
        facts = facts_of(pid)
        return None if facts is None or facts.has_ended else cls(pid, facts.started)

    @property
    def is_alive(self) -> bool:
        """Whether this very process runs."""
        return ProcessId.of(self.pid) == self
