"""`agentkeys whoami`: who is logged in."""

from __future__ import annotations

import click

from agentkeys.client import read_environment
from agentkeys_shell.daemon import identity_path
from agentkeys_shell.fast_options import refuse_empty
from agentkeys_shell.output import ask_json, json_option, print_facts, print_json, profile_option


@click.command("whoami")
@click.argument("identity", required=False, callback=refuse_empty)
@profile_option
@json_option
def command(identity: str | None, profile: str | None, as_json: bool) -> int:
    """Show who is logged in as IDENTITY, or as the profile's."""
    document = ask_json("GET", identity_path(identity, profile, read_environment()))
    if as_json:
        print_json(document)
    else:
        print_facts({name: value for name, value in document.items() if name != "version"})
    return 0
