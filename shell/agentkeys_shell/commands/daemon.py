"""`agentkeys daemon`: the process that holds everything."""

from __future__ import annotations

import json
import os
from collections import deque
from collections.abc import Mapping
from typing import Any

import click

from agentkeys.client import read_environment
from agentkeys.errors import EXIT_NO_DAEMON, ConfigMismatch, RemoteError
from agentkeys.interpreter import own_module
from agentkeys.paths import Paths
from agentkeys.starter import (
    check_outside_runs,
    daemon_environment,
    ensure_daemon,
)
from agentkeys_shell.commands.daemon_units import install, uninstall
from agentkeys_shell.daemon import ask_running
from agentkeys_shell.output import json_option, print_facts, print_json
from agentkeys_shell.restarting import restart_daemon
from agentkeys_shell.stopping import stop_daemon


@click.group("daemon")
def command() -> None:
    """Start, stop and look at the daemon.

    Every command that needs it starts it; nobody has to.
    """


command.add_command(install)
command.add_command(uninstall)


@command.command("start")
@json_option
def start(as_json: bool) -> int:
    """Start the daemon, unless it runs already."""
    ensure_daemon(read_environment())
    return _show(as_json)


@command.command("stop")
@click.option("--force", is_flag=True, help="Also while programs run with its credentials.")
@json_option
def stop(force: bool, as_json: bool) -> int:
    """Stop the daemon.

    What it holds stays in the OS keyring, if there is one. While programs run that would be left
    without credentials it refuses.
    """
    stopped = stop_daemon(read_environment(), tell=_tell, force=force)
    if as_json:
        print_json({"version": 1, "stopped": stopped})
    else:
        click.echo("stopped" if stopped else "no daemon was running")
    return 0


@command.command("restart")
@json_option
def restart(as_json: bool) -> int:
    """Start the daemon anew, with this command's settings.

    Programs that run with credentials notice nothing.
    """
    environ = read_environment()
    restart_daemon(environ, tell=_tell)
    _check_settings(environ)
    return _show(as_json)


@command.command("status")
@json_option
def status(as_json: bool) -> int:
    """Show whether it runs (exit status 0) or not (4)."""
    return _show(as_json)


@command.command("run")
def run() -> None:
    """Run the daemon in the foreground, until Ctrl-C."""
    check_outside_runs(os.environ)
    environ = daemon_environment(os.environ)
    argv = own_module("agentkeys_daemon")
    os.execve(argv[0], argv, environ)  # noqa: S606 - our own interpreter and module


@command.command("logs")
@click.option("-n", "--lines", default=50, show_default=True, type=click.IntRange(1, 100_000))
@json_option
def logs(lines: int, as_json: bool) -> int:
    """Print the daemon's latest log lines."""
    path = Paths.from_environment(os.environ).log
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            found = deque(file, maxlen=lines)
    except FileNotFoundError:
        found = deque()
    for line in found:
        click.echo(line.rstrip("\n") if as_json else _readable(line))
    return 0


def _tell(words: str) -> None:
    click.echo(f"agentkeys: {words}", err=True)


def _show(as_json: bool) -> int:
    response = ask_running("GET", "/v1/health", environ=read_environment())
    document: dict[str, Any] | None = json.loads(response.body) if response else None
    if as_json:
        print_json({"version": 1, "daemon": document})
    elif document is None:
        click.echo("no daemon is running; the next command that needs one starts it")
    else:
        print_facts(document | {"hardening": _spelled(document.get("hardening"))})
    return EXIT_NO_DAEMON if document is None else 0


def _spelled(claims: Mapping[str, bool] | None) -> str | None:
    """What holds for the daemon's process, and what does not."""
    if claims is None:
        return None
    words = {name.replace("_", " "): holds for name, holds in claims.items()}
    return ", ".join(name if holds else f"not {name}" for name, holds in words.items())


def _check_settings(environ: Mapping[str, str]) -> None:
    """Raises ConfigMismatch where systemd has started the daemon with settings of its own."""
    try:
        ask_running("GET", "/v1/profiles", environ=environ)
    except RemoteError as problem:
        # Anything else is told to whoever asks for credentials.
        if problem.code == ConfigMismatch.code:
            raise ConfigMismatch(
                problem.message, hint="run: agentkeys daemon install, with these settings"
            ) from None


def _readable(line: str) -> str:
    try:
        entry = json.loads(line)
        return f"{entry['time']} {entry['level']}: {entry['message']}"
    except (ValueError, KeyError, TypeError):
        return line.rstrip("\n")
