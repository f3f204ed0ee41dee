"""Identities: where web identity tokens come from, one file for each kind of source."""

from __future__ import annotations

from collections.abc import Callable

from agentkeys.config.identities.broker import (
    BrokerIdentity,
    SandboxIdentity,
    parse_broker,
    parse_sandbox,
)
from agentkeys.config.identities.command import CommandIdentity, parse_command
from agentkeys.config.identities.file import FileIdentity, parse_file
from agentkeys.config.identities.github import GithubIdentity, parse_github
from agentkeys.config.identities.identity import Identity
from agentkeys.config.identities.oidc import OidcIdentity, SecretPlace, parse_oidc
from agentkeys.config.tables import Table

__all__ = [
    "BrokerIdentity",
    "CommandIdentity",
    "FileIdentity",
    "GithubIdentity",
    "Identity",
    "OidcIdentity",
    "SandboxIdentity",
    "SecretPlace",
    "parse_identity",
]

_PARSERS: dict[str, Callable[[str, Table], Identity]] = {
    "broker": parse_broker,
    "oidc": parse_oidc,
    "file": parse_file,
    "command": parse_command,
    "github": parse_github,
    "sandbox": parse_sandbox,
}
_FOR_PEOPLE = tuple(name for name in _PARSERS if name != "sandbox")


def parse_identity(name: str, table: Table) -> Identity:
    """Raises ConfigError naming the key."""
    source = table.required("source")
    parse = _PARSERS.get(source)
    if parse is None:
        raise table.refuse_choice("source", source, _FOR_PEOPLE)
    return parse(name, table)
