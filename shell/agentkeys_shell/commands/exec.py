"""`agentkeys exec`, as click sees it: help, mistakes, and the same work as the fast path."""

from __future__ import annotations

import click

from agentkeys_shell.execution import run
from agentkeys_shell.fast_options import fast_options, given


@click.command(
    "exec",
    context_settings={"allow_interspersed_args": False},
    epilog="A script such as scraper.py in the current folder runs by its name. Exit status: the "
    "program's own; 125 when agentkeys fails before it starts, 126 when it cannot be run, 127 when "
    "it is not found.",
)
@fast_options("exec")
@click.argument("program", nargs=-1, metavar="-- PROGRAM [ARGUMENTS]...")
def command(program: tuple[str, ...], **options: str | bool | None) -> int:
    """Run a program with temporary credentials in its environment.

    The program replaces agentkeys, so signals, exit status and terminal are its own. It inherits no
    other AWS settings.
    """
    if not program and not options["explain"]:
        raise click.UsageError("there is no program to run")
    return run(given(options), program)
