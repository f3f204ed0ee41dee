"""`agentkeys sandbox`: a broker and an S3 store on this machine, for trying and for testing."""

from __future__ import annotations

import json
import os

import click

from agentkeys.client import read_environment
from agentkeys.errors import AgentkeysError, SandboxError
from agentkeys.paths import Paths
from agentkeys.private_files import private_folder
from agentkeys.sandbox_record import SandboxRecord, is_live, load_sandbox_record
from agentkeys_shell.daemon import ask_running, identity_path
from agentkeys_shell.inside import check_outside
from agentkeys_shell.output import ask_json, json_option, print_json
from agentkeys_shell.sandbox.claiming import claim_agent, find_user
from agentkeys_shell.sandbox.lifecycle import start_sandbox, stop_sandbox


@click.group("sandbox")
def command() -> None:
    """Run a broker and an S3 store on this machine.

    While it runs and nothing else is configured, its profile `sandbox` is the default one.
    """


@command.command("start")
@click.option(
    "--users", default=1, show_default=True, type=click.IntRange(1, 8), help="Made-up users."
)
@json_option
def start(users: int, as_json: bool) -> int:
    """Start it and log its made-up users in."""
    environ = read_environment()
    check_outside(environ)
    paths = Paths.from_environment(environ)
    private_folder(paths.state)
    # A daemon with other settings would refuse us: better before anything has been started.
    ask_running("GET", "/v1/profiles", environ=environ)
    record = start_sandbox(paths.sandbox, users=users, progress=_progress)
    people = [ask_json("GET", identity_path(user.profile, None, environ)) for user in record.users]
    if as_json:
        print_json(
            {
                "version": 1,
                "broker": record.broker.url,
                "store": record.store.url,
                "users": people,
            }
        )
        return 0
    for user, person in zip(record.users, people, strict=True):
        click.echo(f"{user.profile}: {user.name}, s3://agentkeys/bots/{person['prefix_id']}/")
    _explain(record)
    return 0


@command.command("stop")
@json_option
def stop(as_json: bool) -> int:
    """Stop it and throw its data away."""
    check_outside(os.environ)
    paths = Paths.from_environment(os.environ)
    record = load_sandbox_record(paths.sandbox)
    if record and is_live(record):
        _log_out(record)
    stopped = stop_sandbox(paths.sandbox)
    if as_json:
        print_json({"version": 1, "stopped": stopped})
    else:
        click.echo("stopped, its data is gone" if stopped else "no sandbox was running")
    return 0


@command.command("claim")
@click.argument("code")
@click.option("--user", metavar="NAME", help="Whose agent it becomes; the first user's otherwise.")
@click.option("--label", default="agent", show_default=True, help="What its owner calls it.")
@json_option
def claim(code: str, user: str | None, label: str, as_json: bool) -> int:
    """Let in the machine that shows CODE, as a made-up user's agent.

    It is what agentkeys login --pair waits for.
    """
    environ = read_environment()
    check_outside(environ)
    record = load_sandbox_record(Paths.from_environment(environ).sandbox)
    if record is None or not is_live(record):
        raise SandboxError("no sandbox is running", hint="run: agentkeys sandbox start")
    agent = claim_agent(record, find_user(record, user), code, label)
    if as_json:
        facts = {"owner": agent.owner, "label": agent.label, "prefix_id": agent.omni}
        print_json({"version": 1, **facts})
    else:
        click.echo(f"{agent.owner} let in {agent.label}, s3://agentkeys/bots/{agent.omni}/")
    return 0


def _progress(words: str) -> None:
    click.echo(words, err=True)


def _explain(record: SandboxRecord) -> None:
    click.echo(
        "anyone with an account on this machine can reach its data: put nothing real in it",
        err=True,
    )
    click.echo(f"broker {record.broker.url}, store {record.store.url}", err=True)
    click.echo("next: agentkeys exec -- PROGRAM", err=True)


def _log_out(record: SandboxRecord) -> None:
    """Has a running daemon forget the made-up users; their credentials end with the store."""
    environ = read_environment()
    for user in record.users:
        path = identity_path(user.profile, None, environ)
        try:
            # By its source: a person's own identity may have the same name.
            known = ask_running("GET", path, environ=environ)
            if known and json.loads(known.body)["source"] == "sandbox":
                ask_running("DELETE", f"{path}/session", environ=environ)
        except AgentkeysError:
            continue
