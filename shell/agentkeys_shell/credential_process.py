"""The shim that AWS clients start: prints the credential_process document, or one reason why not.

Clients neither bound its time nor read its stdin, and start it often: it takes hardly longer than
the bare interpreter, ends after 25 seconds at the latest, and leaves stdin alone. It writes the
whole document or nothing.
"""

from __future__ import annotations

import posix

from agentkeys.client import read_environment
from agentkeys.errors import AgentkeysError
from agentkeys_shell.daemon import ask, profile_path
from agentkeys_shell.failure import complain
from agentkeys_shell.options import FAST_COMMANDS, parse_fast

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main", "print_document"]

_COMMAND = "credential-process"


def main(arguments: Sequence[str]) -> int:
    parsed = parse_fast(FAST_COMMANDS[_COMMAND], arguments)
    if parsed is None or parsed[1]:
        # Only imported to explain: click takes longer than everything else here.
        from agentkeys_shell.fast import run_click  # noqa: PLC0415

        return run_click([_COMMAND, *arguments])
    return print_document(parsed[0].get("profile"))


def print_document(profile: str | None) -> int:
    environ = read_environment()
    try:
        response = ask("GET", profile_path(profile, "credentials", environ), environ=environ)
    except AgentkeysError as problem:
        return complain(problem)
    return write_all(response.body)


def write_all(content: bytes) -> int:
    """Writes `content` to stdout; returns the exit status."""
    try:
        while content:
            content = content[posix.write(1, content) :]
    except BrokenPipeError:
        return 1
    return 0
