"""`agentkeys wait`: return when credentials last long enough."""

from __future__ import annotations

import json
from datetime import timedelta

import click

from agentkeys.client import read_environment
from agentkeys_shell.daemon import ask, pass_on, profile_path
from agentkeys_shell.durations import duration_option, in_words
from agentkeys_shell.failure import say
from agentkeys_shell.fast_options import refuse_empty
from agentkeys_shell.output import json_option
from agentkeys_shell.waiting import wait_for_lease

NOT_IN_TIME = 3


@click.command(
    "wait",
    epilog="Exit status: 0 once they last that long; 3 when the timeout is over before; 1 at once "
    "where waiting does not help, such as for an unknown profile or a store whose sessions are "
    "shorter than that.",
)
@click.argument("profile", required=False, callback=refuse_empty)
@click.option(
    "--profile", "-p", "also", metavar="PROFILE", callback=refuse_empty, help="The same as PROFILE."
)
@duration_option("--min-ttl", required=True, help="How long they are to last, such as 20m.")
@duration_option("--timeout", help="How long to wait; else for ever.")
@json_option
def command(
    profile: str | None,
    also: str | None,
    min_ttl: timedelta,
    timeout: timedelta | None,
    as_json: bool,
) -> int:
    """Wait until the credentials of PROFILE last long enough.

    Where they do not, they are minted anew. While broker or store are down, or somebody has to log
    in, it says so and goes on waiting.
    """
    if profile and also:
        raise click.UsageError("the profile is named twice")
    environ = read_environment()
    path = profile_path(profile or also, "refresh", environ)

    def refresh(min_ttl_seconds: int, deadline: float) -> bytes:
        body = json.dumps({"min_ttl_seconds": min_ttl_seconds}).encode()
        return ask("POST", path, environ=environ, body=body, deadline=deadline).body

    document = wait_for_lease(refresh, min_ttl, timeout=timeout)
    if document is None:
        say("error: there were no credentials that last long enough before the timeout")
        say("hint: run: agentkeys status")
        return NOT_IN_TIME
    if as_json:
        return pass_on(document)
    found = json.loads(document)["profiles"][0]
    left = timedelta(seconds=found["expires_in_seconds"])
    click.echo(f"{found['name']}: credentials for {in_words(left)}")
    return 0
