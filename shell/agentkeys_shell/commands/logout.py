"""`agentkeys logout`: forget a session and its leases."""

from __future__ import annotations

import click

from agentkeys.client import read_environment
from agentkeys_shell.daemon import identity_path
from agentkeys_shell.fast_options import refuse_empty
from agentkeys_shell.handed_out import say_what_lives_on
from agentkeys_shell.inside import check_outside
from agentkeys_shell.output import ask_json, json_option, print_json, profile_option


@click.command("logout")
@click.argument("identity", required=False, callback=refuse_empty)
@profile_option
@json_option
def command(identity: str | None, profile: str | None, as_json: bool) -> int:
    """Forget the session of IDENTITY, or of the profile's, and its leases.

    Credentials that were handed out live until they expire.
    """
    environ = read_environment()
    check_outside(environ)
    document = ask_json("DELETE", identity_path(identity, profile, environ, "session"))
    if as_json:
        print_json(document)
        return 0
    click.echo(f"logged out: {document['identity']}")
    say_what_lives_on(document["credentials_live_until"])
    return 0
