"""`agentkeys whoami`: who is logged in."""

from __future__ import annotations

import click

from agentkeys_shell.identities import identity_path
from agentkeys_shell.output import ask_json, json_option, print_facts, print_json


@click.command("whoami")
@click.argument("identity", required=False)
@json_option
def command(identity: str | None, as_json: bool) -> int:
    """Show who is logged in as IDENTITY, or as the default profile's."""
    document = ask_json("GET", identity_path(identity))
    if as_json:
        print_json(document)
    else:
        print_facts({name: value for name, value in document.items() if name != "version"})
    return 0
