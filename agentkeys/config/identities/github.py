"""A job of GitHub Actions."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from agentkeys.config.tables import Table

__all__ = ["GithubIdentity", "parse_github"]

DEFAULT_AUDIENCE = "sts.amazonaws.com"


@dataclass(frozen=True, slots=True)
class GithubIdentity:
    """The job of GitHub Actions that a program runs in."""

    name: str
    audience: str
    """Asked for, and checked."""
    ca_file: Path | None = field(default=None, kw_only=True)
    """The authorities that vouch for its server, instead of the system's; None for those."""

    source = "github"
    logs_in = False
    url = None

    @property
    def origin(self) -> str:
        return "github"


def parse_github(name: str, table: Table) -> GithubIdentity:
    """Raises ConfigError."""
    table.only("source", "audience", "ca_file")
    audience = table.string("audience") or DEFAULT_AUDIENCE
    return GithubIdentity(name, audience, ca_file=table.path("ca_file"))
