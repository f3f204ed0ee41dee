"""How a program of ours fails: one line what happened, one line what to do, an exit status."""

from __future__ import annotations

import posix

TYPE_CHECKING = False
if TYPE_CHECKING:
    from agentkeys.errors import AgentkeysError

__all__ = ["complain", "say"]


def complain(problem: AgentkeysError) -> int:
    """Prints the error to stderr; returns the exit status that goes with it."""
    say(f"error: {problem.message}")
    if problem.hint:
        say(f"hint: {problem.hint}")
    return problem.exit_status


def say(words: str) -> None:
    """One line to stderr, whatever is in `words`, written at once so that lines do not mix."""
    line = "".join(char if char.isprintable() else "?" for char in words)
    try:
        posix.write(2, f"agentkeys: {line}\n".encode("utf-8", "replace"))
    except OSError:
        # Nobody listens any more; the exit status still tells.
        return
