"""How a program of ours fails: one line what happened, one line what to do, an exit status."""

from __future__ import annotations

import errno
import posix

from agentkeys.errors import EXIT_ERROR, AgentkeysError

__all__ = ["complain", "say"]

_OUTPUT_FAILS = (errno.ENOSPC, errno.EIO, errno.EBADF, errno.EFBIG, errno.EDQUOT)


def complain(problem: Exception) -> int:
    """Prints the error to stderr; returns the exit status that goes with it."""
    if isinstance(problem, AgentkeysError):
        say(f"error: {problem.message}")
        if problem.hint:
            say(f"hint: {problem.hint}")
        return problem.exit_status
    if isinstance(problem, BrokenPipeError):
        # Whoever reads has had enough, as in `… | head -1`.
        return EXIT_ERROR
    if isinstance(problem, OSError) and problem.errno in _OUTPUT_FAILS:
        say(f"error: the output cannot be written: {(problem.strerror or '').lower()}")
        say("hint: make room where it goes, or send it elsewhere")
        return EXIT_ERROR
    # Only its type: an unforeseen exception's text may quote what it choked on.
    say(f"error: an unforeseen {type(problem).__name__}")
    say("hint: please report it with what you ran; agentkeys daemon logs may say more")
    return EXIT_ERROR


def say(words: str) -> None:
    """One line to stderr, whatever is in `words`, written at once so that lines do not mix."""
    line = "".join(char if char.isprintable() else "?" for char in words)
    try:
        posix.write(2, f"agentkeys: {line}\n".encode("utf-8", "replace"))
    except OSError:
        # Nobody listens any more; the exit status still tells.
        return
