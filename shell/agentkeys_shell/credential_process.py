"""The shim that AWS clients start: prints the credential_process document, or one reason why not.

Clients neither bound its time nor read its stdin, and start it often: it takes hardly longer than
the bare interpreter, ends after 25 seconds at the latest, and leaves stdin alone. It writes the
whole document or nothing.
"""

from __future__ import annotations

import posix

from agentkeys.client import read_environment
from agentkeys_shell.daemon import ask, pass_on, profile_path
from agentkeys_shell.options import FAST_COMMANDS, parse_fast

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main", "print_document"]

_COMMAND = "credential-process"


def main(arguments: Sequence[str]) -> int:
    """The whole program: ends the process, or returns an exit status."""
    parsed = parse_fast(FAST_COMMANDS[_COMMAND], arguments)
    try:
        if parsed is None or parsed[1]:
            # Only imported to explain: click takes longer than everything else here.
            from agentkeys_shell.full import run_click  # noqa: PLC0415

            return run_click([_COMMAND, *arguments])
        status = print_document(parsed[0].get("profile"))
    except KeyboardInterrupt:
        status = 130
    except Exception as problem:  # noqa: BLE001 - the program's top
        from agentkeys_shell.failure import complain  # noqa: PLC0415 - costs what failing costs

        status = complain(problem)
    # Nothing is buffered, and taking the interpreter apart would cost a fifth of our time.
    posix._exit(status)


def print_document(profile: str | None) -> int:
    """Writes the document; raises RemoteError, DaemonError and its leaves, ConfigError."""
    environ = read_environment()
    response = ask("GET", profile_path(profile, "credentials", environ), environ=environ)
    return pass_on(response.body)
