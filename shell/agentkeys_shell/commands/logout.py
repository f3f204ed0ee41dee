"""`agentkeys logout`: forget a session and its leases."""

from __future__ import annotations

import click

from agentkeys.client import read_environment
from agentkeys_shell.daemon import identity_path
from agentkeys_shell.output import ask_json, json_option, print_json, profile_option


@click.command("logout")
@click.argument("identity", required=False)
@profile_option
@json_option
def command(identity: str | None, profile: str | None, as_json: bool) -> int:
    """Forget the session of IDENTITY, or of the profile's, and its leases."""
    document = ask_json("DELETE", identity_path(identity, profile, read_environment(), "session"))
    if as_json:
        print_json(document)
        return 0
    click.echo(f"logged out: {document['identity']}")
    until = document["credentials_live_until"]
    if until:
        click.echo(
            f"credentials already handed out live until {until}: a store cannot take them back"
        )
    return 0
