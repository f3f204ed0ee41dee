"""Whoever the token in a file names, such as one that Kubernetes projects into a pod."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from agentkeys.config.tables import Table

__all__ = ["FileIdentity", "parse_file"]


@dataclass(frozen=True, slots=True)
class FileIdentity:
    """Whoever the token in a file names."""

    name: str
    path: Path | None
    """None for the file that the client's AWS_WEB_IDENTITY_TOKEN_FILE names."""
    audience: str | None
    ca_file: Path | None = field(default=None, kw_only=True)
    """The authorities that vouch for its server, instead of the system's; None for those."""

    source = "file"
    logs_in = False
    url = None

    @property
    def origin(self) -> str:
        return f"file {self.path or '$AWS_WEB_IDENTITY_TOKEN_FILE'}"


def parse_file(name: str, table: Table) -> FileIdentity:
    """Raises ConfigError."""
    table.only("source", "path", "audience", "ca_file")
    return FileIdentity(
        name, table.path("path"), table.string("audience"), ca_file=table.path("ca_file")
    )
