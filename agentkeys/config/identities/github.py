"""A job of GitHub Actions."""

from __future__ import annotations

from dataclasses import dataclass

from agentkeys.config.tables import Table

__all__ = ["GithubIdentity", "parse_github"]

DEFAULT_AUDIENCE = "sts.amazonaws.com"


@dataclass(frozen=True, slots=True)
class GithubIdentity:
    """The job of GitHub Actions that a program runs in."""

    name: str
    audience: str
    """Asked for, and checked."""

    source = "github"
    logs_in = False
    url = None

    @property
    def origin(self) -> str:
        return "github"


def parse_github(name: str, table: Table) -> GithubIdentity:
    """Raises ConfigError."""
    table.only("source", "audience")
    return GithubIdentity(name, table.string("audience") or DEFAULT_AUDIENCE)
