"""`agentkeys status`: what is held, for whom, until when."""

from __future__ import annotations

import json

import click

from agentkeys.client import read_environment
from agentkeys_shell.fast_options import fast_options
from agentkeys_shell.render import print_status_table
from agentkeys_shell.status_json import fetch_status, print_status


@click.command("status")
@fast_options("status")
def command(profile: str | None, json: bool) -> int:
    """Show sessions, leases and last errors.

    Asks neither network nor keyring, and never starts the daemon.
    """
    if json:
        return print_status(profile)
    print_status_table(_decode(fetch_status(profile, read_environment())))
    return 0


def _decode(document: bytes) -> dict[str, object]:
    found: dict[str, object] = json.loads(document)
    return found
