"""`agentkeys profiles`: what is configured."""

from __future__ import annotations

import click

from agentkeys_shell.output import ask_json, json_option, print_json
from agentkeys_shell.render import print_profiles_table


@click.command("profiles")
@json_option
def command(as_json: bool) -> int:
    """List the configured profiles."""
    document = ask_json("GET", "/v1/profiles")
    if as_json:
        print_json(document)
    else:
        print_profiles_table(document)
    return 0
