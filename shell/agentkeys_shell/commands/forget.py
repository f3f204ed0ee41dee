"""`agentkeys forget`: drop leases, keep the session."""

from __future__ import annotations

import json
from typing import Any

import click

from agentkeys.client import read_environment
from agentkeys.errors import DaemonNotRunning
from agentkeys.protocol import quote_name
from agentkeys_shell.daemon import ask_running, profile_path
from agentkeys_shell.fast_options import refuse_empty
from agentkeys_shell.handed_out import say_what_lives_on
from agentkeys_shell.output import ask_json, json_option, print_json


@click.command("forget")
@click.argument("profile", required=False, callback=refuse_empty)
@click.option(
    "--run",
    "run_id",
    metavar="ID",
    callback=refuse_empty,
    help="Take the credentials of one program away instead.",
)
@json_option
def command(profile: str | None, run_id: str | None, as_json: bool) -> int:
    """Forget the lease of PROFILE, or all leases; who is logged in stays so.

    Whoever asks next gets newly minted credentials, but for the program of --run, which gets none
    any more. Those that were handed out live until they expire.
    """
    if profile and run_id:
        raise click.UsageError("a profile and --run do not go together")
    document = _forget_run(run_id) if run_id else _forget_leases(profile)
    if as_json:
        print_json(document)
        return 0
    names = f"run {run_id}" if run_id else ", ".join(document["profiles"])
    click.echo(f"forgotten: {names}" if names else "no profile is configured")
    say_what_lives_on(document["credentials_live_until"])
    return 0


def _forget_leases(profile: str | None) -> dict[str, Any]:
    path = profile_path(profile, "leases", read_environment()) if profile else "/v1/leases"
    return ask_json("DELETE", path)


def _forget_run(run_id: str) -> dict[str, Any]:
    """Raises DaemonNotRunning: a daemon that is not there knows no run."""
    path = f"/v1/runs/{quote_name(run_id)}"
    response = ask_running("DELETE", path, environ=read_environment())
    if response is None:
        raise DaemonNotRunning(
            "no daemon is running, so that no run is known",
            hint="run: agentkeys daemon start, then: agentkeys runs",
        )
    document: dict[str, Any] = json.loads(response.body)
    return document
