"""`agentkeys forget`: drop leases, keep the session."""

from __future__ import annotations

import click

from agentkeys.client import read_environment
from agentkeys_shell.daemon import profile_path
from agentkeys_shell.fast_options import refuse_empty
from agentkeys_shell.handed_out import say_what_lives_on
from agentkeys_shell.output import ask_json, json_option, print_json


@click.command("forget")
@click.argument("profile", required=False, callback=refuse_empty)
@json_option
def command(profile: str | None, as_json: bool) -> int:
    """Forget the lease of PROFILE, or all leases; who is logged in stays so.

    Whoever asks next gets newly minted credentials. Those that were handed out live until they
    expire.
    """
    path = profile_path(profile, "leases", read_environment()) if profile else "/v1/leases"
    document = ask_json("DELETE", path)
    if as_json:
        print_json(document)
        return 0
    names = ", ".join(document["profiles"])
    click.echo(f"forgotten: {names}" if names else "no profile is configured")
    say_what_lives_on(document["credentials_live_until"])
    return 0
