"""`agentkeys status`: what is held, for whom, until when."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import click

from agentkeys.client import read_environment
from agentkeys.protocol import DEFAULT
from agentkeys_shell.daemon import pass_on
from agentkeys_shell.durations import duration_option
from agentkeys_shell.fast_options import fast_options, refuse_empty
from agentkeys_shell.render import print_status_table
from agentkeys_shell.status_json import fetch_status
from agentkeys_shell.watching import watch as watch_status

NOT_ENOUGH = 3
WATCHING_SECONDS = 5.0
"""How long a daemon may take to answer somebody who watches."""


@click.command("status")
@click.argument("identity", required=False, callback=refuse_empty)
@fast_options("status")
@click.option("--watch", is_flag=True, help="Show it again whenever it changes, until Ctrl-C.")
@duration_option(
    "--min-ttl", help="End with status 3 unless the profile's lease lasts that long, such as 20m."
)
def command(
    identity: str | None,
    profile: str | None,
    json: bool,
    watch: bool,
    min_ttl: timedelta | None,
) -> int:
    """Show sessions, leases, runs and last errors: all, or those of IDENTITY.

    Asks neither network nor keyring, and never starts the daemon.
    """
    if watch and min_ttl:
        raise click.UsageError("--watch and --min-ttl do not go together")
    if identity and (profile or min_ttl):
        raise click.UsageError("an IDENTITY goes with neither --profile nor --min-ttl")
    environ = read_environment()
    if watch:
        return watch_status(
            lambda: fetch_status(
                profile, environ, identity=identity, deadline=time.monotonic() + WATCHING_SECONDS
            ),
            as_json=json,
        )
    if min_ttl:
        profile = profile or environ.get("AGENTKEYS_PROFILE") or DEFAULT
    document = fetch_status(profile, environ, identity=identity)
    status = _decode(document)
    if json:
        pass_on(document)
    else:
        print_status_table(status)
    return NOT_ENOUGH if min_ttl and not _lasts(status, min_ttl) else 0


def _lasts(status: Mapping[str, Any], at_least: timedelta) -> bool:
    """Whether the one lease that `status` tells of has `at_least` left."""
    left = status["profiles"][0]["expires_in_seconds"] if status["profiles"] else None
    return left is not None and left >= at_least.total_seconds()


def _decode(document: bytes) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(document)
    return found
