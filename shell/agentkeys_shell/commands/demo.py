"""`agentkeys demo`: shows the whole job, on real parts, and cleans up."""

from __future__ import annotations

import signal
import sys
from dataclasses import asdict

import click

from agentkeys.client import read_environment
from agentkeys.errors import EXIT_ERROR
from agentkeys_shell.demo.show import Finished, Show, open_stage
from agentkeys_shell.inside import check_outside
from agentkeys_shell.output import json_option, print_json


@click.command("demo")
@json_option
def command(as_json: bool) -> int:
    """Show the whole job in the sandbox, then clean up.

    Uses a socket, a state folder and a configuration of its own; leaves nothing behind.
    """
    check_outside(read_environment())
    # A demonstration that is told to end must clean up like one that comes to its end.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda received, _: sys.exit(128 + received))
    steps: list[Finished] = []
    with open_stage() as stage:
        if as_json:
            worked = Show(stage, begin=_say_nothing, end=steps.append).play()
        else:
            worked = Show(stage, begin=_print_command, end=_print_outcome).play()
    if as_json:
        print_json({"version": 1, "worked": worked, "steps": [asdict(step) for step in steps]})
    else:
        click.secho(_VERDICT[worked], bold=True)
    return 0 if worked else EXIT_ERROR


def _say_nothing(title: str, command: str) -> None:
    pass


def _print_command(title: str, command: str) -> None:
    click.secho(f"# {title}", fg="cyan")
    click.secho(f"$ {command}", bold=True)


def _print_outcome(step: Finished) -> None:
    click.echo(step.output)
    if not step.as_expected:
        click.secho(f"that is not what should happen (status {step.status})", fg="red")


_VERDICT = {True: "every step did what it says", False: "the demonstration failed"}
