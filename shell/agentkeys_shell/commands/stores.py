"""`agentkeys stores`: the kinds of store, those configured, and what one of them needs."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import click

from agentkeys.client import read_environment
from agentkeys.clock import SystemClock
from agentkeys.config import Config, ConfigSource, Store
from agentkeys.explain import (
    Part,
    choose_profile,
    explain_ending,
    explain_needs,
    setting_of,
)
from agentkeys.paths import Paths
from agentkeys.stores import STORE_KINDS, StoreKind
from agentkeys_shell.fast_options import refuse_empty
from agentkeys_shell.output import json_option, print_json
from agentkeys_shell.stores_text import lines_of_parts, print_stores


@click.group("stores", invoke_without_command=True)
@json_option
@click.pass_context
def command(ctx: click.Context, as_json: bool) -> int:
    """List the kinds of store and the configured ones, or explain what one needs."""
    if ctx.invoked_subcommand:
        if as_json:
            raise click.UsageError(
                "--json goes behind the command: agentkeys stores explain --json"
            )
        return 0
    kinds = [_kind(kind) for kind in STORE_KINDS.values()]
    stores = [_store(store) for store in _config().stores.values()]
    if as_json:
        print_json({"version": 1, "kinds": kinds, "stores": stores})
    else:
        print_stores(kinds, stores)
    return 0


@command.command("explain")
@click.argument("kind", type=click.Choice(list(STORE_KINDS)))
@click.option(
    "--profile",
    "-p",
    metavar="PROFILE",
    callback=refuse_empty,
    help="The profile whose values are filled in.",
)
@click.option("--revoke", is_flag=True, help="Tell how its sessions are ended early instead.")
@json_option
def explain(kind: str, profile: str | None, revoke: bool, as_json: bool) -> int:
    """Print the policies that a store of KIND needs, ready to paste.

    They are filled with the values of PROFILE, or else of the default profile or the only one whose
    store is of that kind; <what nobody has said> is to be replaced. It asks neither the daemon nor
    the store.
    """
    store = STORE_KINDS[kind]
    chosen = choose_profile(
        _config(), store, name=profile, default=read_environment().get("AGENTKEYS_PROFILE")
    )
    setting = setting_of(chosen, store)
    parts = (
        explain_ending(store, setting, now=SystemClock().now())
        if revoke
        else explain_needs(store, setting)
    )
    if as_json:
        shown = [_part(part) for part in parts]
        print_json({"version": 1, "kind": kind, "profile": setting.profile, "parts": shown})
    else:
        for line in lines_of_parts(store, setting.profile, parts):
            click.echo(line)
    return 0


def _config() -> Config:
    """As the files have it: a daemon could add nothing."""
    environ = read_environment()
    return ConfigSource(environ=environ, paths=Paths.from_environment(environ)).current()


def _part(part: Part) -> dict[str, Any]:
    return {
        "name": part.name,
        "title": part.title,
        "why": list(part.why),
        "content": part.content,
    }


def _kind(kind: StoreKind) -> dict[str, Any]:
    return {
        "name": kind.name,
        "title": kind.title,
        "needs_sts_endpoint": kind.needs_endpoint,
        "needs_role_arn": kind.needs_role_arn,
        "takes_policy": kind.takes_policy,
        "takes_policy_arns": kind.takes_policy_arns,
        "min_duration_seconds": _seconds(kind.min_duration),
        "max_duration_seconds": _seconds(kind.max_duration),
        "clamps_duration": kind.clamps_duration,
        "algorithms": sorted(kind.algorithms),
        "needs_key_id": kind.needs_key_id,
        "confine": str(kind.default_confine),
        "dead_session": kind.dead_session,
    }


def _store(store: Store) -> dict[str, Any]:
    return {
        "name": store.name,
        "kind": store.kind.name,
        "sts_endpoint": store.sts_endpoint,
        "s3_endpoint": store.s3_endpoint,
        "region": store.region,
        "fips": store.fips,
        "dual_stack": store.dual_stack,
        "checksums": store.checksums,
    }


def _seconds(duration: timedelta) -> int:
    return int(duration.total_seconds())
