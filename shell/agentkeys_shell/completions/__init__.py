"""What a shell can offer for a command line that is still being typed."""

from agentkeys_shell.completions.command_line import Typed, split_line
from agentkeys_shell.completions.offers import AnotherProgram, Offer, find_offers

__all__ = ["AnotherProgram", "Offer", "Typed", "find_offers", "split_line"]
