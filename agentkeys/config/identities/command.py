"""Whoever the token that a command prints names."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from agentkeys.config.tables import Table

__all__ = ["CommandIdentity", "parse_command"]

DEFAULT_TIMEOUT = timedelta(seconds=10)
LONGEST_TIMEOUT = timedelta(seconds=18)
"""A mint, which the command is a part of, ends after 20 seconds."""


@dataclass(frozen=True, slots=True)
class CommandIdentity:
    """Whoever the token that a command prints names."""

    name: str
    argv: tuple[str, ...]
    timeout: timedelta
    audience: str | None
    ca_file: Path | None = field(default=None, kw_only=True)
    """The authorities that vouch for its server, instead of the system's; None for those."""

    source = "command"
    logs_in = False
    url = None

    @property
    def origin(self) -> str:
        return " ".join(("command", *map(repr, self.argv)))


def parse_command(name: str, table: Table) -> CommandIdentity:
    """Raises ConfigError."""
    table.only("source", "argv", "timeout", "audience", "ca_file")
    argv = table.strings("argv")
    if argv is None:
        raise table.refuse("argv", "is missing", 'add argv = ["program", "argument"]')
    if not argv[0] or any("\0" in part for part in argv):
        raise table.refuse("argv", "names no program", "write its path, then its arguments")
    timeout = table.duration("timeout") or DEFAULT_TIMEOUT
    if timeout > LONGEST_TIMEOUT:
        raise table.refuse(
            "timeout", "is longer than programs wait", f"write at most {LONGEST_TIMEOUT.seconds}s"
        )
    return CommandIdentity(
        name, argv, timeout, table.string("audience"), ca_file=table.path("ca_file")
    )
