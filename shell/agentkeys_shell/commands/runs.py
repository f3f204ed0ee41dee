"""`agentkeys runs`: the programs that run with credentials."""

from __future__ import annotations

import json
from typing import Any

import click

from agentkeys.client import read_environment
from agentkeys_shell.daemon import ask_running
from agentkeys_shell.output import json_option, print_json
from agentkeys_shell.render import print_runs_table


@click.command("runs")
@json_option
def command(as_json: bool) -> int:
    """List the programs that run with credentials.

    Each is one agentkeys exec that has not ended. Never starts the daemon.
    """
    response = ask_running("GET", "/v1/runs", environ=read_environment())
    document: dict[str, Any] = json.loads(response.body) if response else {"version": 1, "runs": []}
    if as_json:
        print_json(document)
    elif document["runs"]:
        print_runs_table(document["runs"])
    else:
        click.echo("no program runs with credentials")
    return 0
