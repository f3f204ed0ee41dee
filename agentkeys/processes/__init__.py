"""Processes as the system tells of them: which one, whose child, and whether it still runs."""

from agentkeys.processes.ids import ProcessId, facts_of
from agentkeys.processes.table import ProcessFacts

__all__ = ["ProcessFacts", "ProcessId", "facts_of"]
