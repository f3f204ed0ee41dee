"""`agentkeys doctor`: looks at what this machine can tell, and has the daemon look at the rest."""

from agentkeys_shell.doctor.asked import Asked
from agentkeys_shell.doctor.text import FindingPrinter
from agentkeys_shell.doctor.walk import walk

__all__ = ["Asked", "FindingPrinter", "walk"]
