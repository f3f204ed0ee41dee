"""The command line: which commands there are, and how each of them fails.

A command's module is imported when the command is used, so that `--help` stays quick.
"""

from __future__ import annotations

import difflib
import sys
from collections.abc import Sequence
from importlib import import_module

import click

from agentkeys import __version__
from agentkeys.errors import EXIT_ERROR, EXIT_USAGE
from agentkeys_shell.failure import say

__all__ = ["COMMANDS", "main"]

COMMANDS = {
    "init": "Write the first configuration.",
    "login": "Log in, so that credentials can be minted.",
    "logout": "Forget the session and its leases.",
    "forget": "Forget leases, keep the session.",
    "whoami": "Show who is logged in.",
    "exec": "Run a program with temporary credentials.",
    "credential-process": "Print credentials as AWS clients ask for them.",
    "env": "Print credentials as variables, for a shell or a file.",
    "status": "Show sessions, leases, runs and last errors.",
    "runs": "List the programs that run with credentials.",
    "audit": "Read the ledger, and check that nobody has changed it.",
    "wait": "Wait until credentials last long enough.",
    "profiles": "List the configured profiles.",
    "stores": "List stores, and explain what one needs.",
    "configure-aws": "Write profiles into ~/.aws/config.",
    "doctor": "Find what is wrong, from the configuration to the isolation proof.",
    "hook": "Print what a shell needs for completions and a prompt.",
    "prompt": "Print a segment for a shell's prompt.",
    "daemon": "Start, stop and look at the daemon.",
    "sandbox": "Run a broker and an S3 store on this machine.",
    "demo": "Show the whole job in the sandbox, then clean up.",
}


class _NoSuchCommand(click.UsageError):
    def __init__(self, name: str, ctx: click.Context) -> None:
        super().__init__(f"there is no command {name!r}", ctx)
        nearest = next(iter(difflib.get_close_matches(name, COMMANDS, n=1)), None)
        self.hint = nearest and f"did you mean {nearest}?"


class _LazyGroup(click.Group):
    """Knows its commands by name; imports one when it is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = import_module(f"agentkeys_shell.commands.{cmd_name.replace('-', '_')}")
        command: click.Command = module.command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] not in COMMANDS and not args[0].startswith("-"):
            raise _NoSuchCommand(args[0], ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(
    cls=_LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Try it out without any set-up: agentkeys demo",
)
@click.version_option(__version__, prog_name="agentkeys", message="%(prog)s %(version)s")
def agentkeys() -> None:
    """Temporary S3 credentials for programs, each confined to its own user.

    A daemon of yours holds the login, fetches tokens, trades them at the store for credentials and
    keeps those fresh. Programs get them from `agentkeys exec`, or through credential_process in
    ~/.aws/config.
    """


def main(arguments: list[str]) -> int:
    """Runs the command line; a mistake becomes two lines on stderr. Raises AgentkeysError."""
    if sys.platform == "win32":
        say("error: agentkeys runs on Linux and macOS")
        say("hint: use it inside WSL")
        return EXIT_ERROR
    try:
        status = agentkeys.main(arguments, prog_name="agentkeys", standalone_mode=False)
    except click.UsageError as problem:
        return _usage(problem, arguments)
    except click.Abort:
        say("error: given up")
        return 130
    except click.ClickException as problem:
        say(f"error: {_lower_first(problem.format_message())}")
        return EXIT_ERROR
    return status if isinstance(status, int) else 0


def _usage(problem: click.UsageError, arguments: Sequence[str]) -> int:
    path = problem.ctx.command_path if problem.ctx else _command_path(arguments)
    if isinstance(problem, click.exceptions.NoArgsIsHelpError):
        click.echo(problem.format_message())
        return EXIT_USAGE if arguments else 0
    say(f"error: {_lower_first(problem.format_message()).rstrip('.')}")
    say(f"hint: {getattr(problem, 'hint', None) or f'see {path} --help'}")
    # Before its child starts, exec fails with one status of its own, whatever the reason.
    return 125 if path == "agentkeys exec" else EXIT_USAGE


def _command_path(arguments: Sequence[str]) -> str:
    """For click's own parser, which does not say whose option it stumbled over."""
    return " ".join(["agentkeys", *(name for name in arguments[:1] if name in COMMANDS)])


def _lower_first(text: str) -> str:
    return text[:1].lower() + text[1:]
