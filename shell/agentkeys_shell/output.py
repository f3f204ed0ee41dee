"""Answers on standard output: JSON for programs, aligned facts for people."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import click

from agentkeys.client import read_environment
from agentkeys_shell.daemon import ask
from agentkeys_shell.fast_options import refuse_empty

__all__ = ["ask_json", "json_option", "print_facts", "print_json", "profile_option"]

profile_option = click.option(
    "--profile",
    "-p",
    metavar="PROFILE",
    callback=refuse_empty,
    help="The profile whose identity is meant.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")


def ask_json(method: str, path: str, body: Mapping[str, object] | None = None) -> dict[str, Any]:
    """The daemon's answer as an object; starts the daemon where there is none.

    Raises RemoteError, DaemonError and its leaves, ConfigError.
    """
    content = b"" if body is None else json.dumps(body).encode()
    response = ask(method, path, environ=read_environment(), body=content)
    document: dict[str, Any] = json.loads(response.body)
    return document


def print_json(document: Mapping[str, object]) -> None:
    click.echo(json.dumps(document))


def print_facts(facts: Mapping[str, object]) -> None:
    """One `name  value` line each, absent values left out."""
    present = {name.replace("_", " "): value for name, value in facts.items() if value is not None}
    width = max(map(len, present), default=0)
    for name, value in present.items():
        click.echo(f"{name:<{width}}  {value}")
