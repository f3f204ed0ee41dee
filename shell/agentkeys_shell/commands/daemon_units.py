"""`agentkeys daemon install` and `uninstall`: has the system start the daemon."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from agentkeys.client import read_environment
from agentkeys.errors import AgentkeysError
from agentkeys.interpreter import own_module
from agentkeys_shell.daemon import ask_running
from agentkeys_shell.inside import check_outside
from agentkeys_shell.output import json_option, print_json
from agentkeys_shell.units import (
    Systemctl,
    UnitFile,
    check_visible,
    is_ours,
    remove_units,
    render_system_units,
    render_units,
    write_units,
)
from agentkeys_shell.units.launchd import LABEL
from agentkeys_shell.units.systemd import SERVICE, SOCKET

__all__ = ["install", "uninstall"]

_END_INSTANCES = "systemctl stop 'agentkeys@*.socket' && systemctl daemon-reload"


@click.command("install")
@click.option("--print", "only_print", is_flag=True, help="Print the files and write nothing.")
@click.option(
    "--system", is_flag=True, help="As root, a template for users who never log in (systemd)."
)
@json_option
def install(only_print: bool, system: bool, as_json: bool) -> int:
    """Have systemd or launchd start the daemon.

    systemd holds the socket from login on and starts the daemon when it is first asked; launchd
    starts it at login. It gets this command's settings. A daemon that runs already is left alone.
    """
    environ = read_environment()
    check_outside(environ)
    if system:
        return _install_template(only_print, as_json)
    units = render_units(environ)
    if only_print:
        _print(units, as_json)
        return 0
    written = write_units(units)
    step = _begin(environ, units, changed=bool(written))
    _tell_written(units, written, step, as_json)
    return 0


def _install_template(only_print: bool, as_json: bool) -> int:
    if sys.platform == "darwin":
        raise click.UsageError("--system is for systemd; launchd starts it for whoever logs in")
    units = render_system_units()
    if only_print:
        _print(units, as_json)
        return 0
    check_visible(own_module("agentkeys_daemon"))
    step = "systemctl daemon-reload && systemctl enable --now agentkeys@USER.socket"
    _tell_written(units, write_units(units), step, as_json)
    return 0


def _tell_written(
    units: Sequence[UnitFile], written: Sequence[Path], step: str | None, as_json: bool
) -> None:
    if as_json:
        print_json(
            {
                "version": 1,
                "files": [str(unit.path) for unit in units],
                "written": list(map(str, written)),
                "next": step,
            }
        )
        return
    for path in written:
        click.echo(f"wrote {path}")
    click.echo(f"next: {step}" if step else "installed: the daemon starts when it is first asked")


@click.command("uninstall")
@click.option("--system", is_flag=True, help="The template that install --system has written.")
@json_option
def uninstall(system: bool, as_json: bool) -> int:
    """Take back what install has done; a daemon that systemd has started ends."""
    environ = read_environment()
    check_outside(environ)
    units = render_system_units() if system else render_units(environ)
    ours = [unit.path for unit in units if is_ours(unit.path)]
    if system:
        remove_units(ours)
        step = _END_INSTANCES if ours else None
    else:
        step = _end(environ, ours) if ours else None
    if as_json:
        print_json({"version": 1, "removed": list(map(str, ours)), "next": step})
        return 0
    for path in ours:
        click.echo(f"removed {path}")
    if not ours:
        click.echo("nothing was installed")
    if step:
        click.echo(f"next: {step}")
    return 0


def _print(units: Sequence[UnitFile], as_json: bool) -> None:
    if as_json:
        files = [{"path": str(unit.path), "content": unit.content} for unit in units]
        print_json({"version": 1, "files": files})
        return
    for unit in units:
        click.echo(f"==> {unit.path} <==\n{unit.content}")


def _begin(environ: Mapping[str, str], units: Sequence[UnitFile], *, changed: bool) -> str | None:
    """Hands the files to the service manager; returns what is left for the user to run."""
    if sys.platform == "darwin":
        return f"launchctl bootstrap gui/{os.getuid()} {shlex.quote(str(units[0].path))}"
    systemctl = Systemctl(environ)
    if not systemctl.answers():
        stop = "agentkeys daemon stop && " if _runs(environ) else ""
        return f"{stop}systemctl --user daemon-reload && systemctl --user enable --now {SOCKET}"
    systemctl.do("daemon-reload")
    if systemctl.is_active(SERVICE):
        systemctl.do("enable", SOCKET)
        return f"systemctl --user restart {SOCKET}" if changed else None
    if not systemctl.is_active(SOCKET) and _runs(environ):
        # systemd would take the socket's path from it, and nobody could reach it any more. Nor is
        # it stopped unasked: without a keyring, its session would be lost.
        systemctl.do("enable", SOCKET)
        return f"agentkeys daemon stop && systemctl --user start {SOCKET}"
    systemctl.do("enable", SOCKET)
    systemctl.do("restart" if changed else "start", SOCKET)
    return None


def _end(environ: Mapping[str, str], paths: Sequence[Path]) -> str | None:
    if sys.platform == "darwin":
        remove_units(paths)
        return f"launchctl bootout gui/{os.getuid()}/{LABEL}"
    systemctl = Systemctl(environ)
    if not systemctl.answers():
        remove_units(paths)
        return None
    # The service needs its socket, so it ends with it.
    systemctl.do("disable", "--now", SOCKET)
    remove_units(paths)
    systemctl.do("daemon-reload")
    return None


def _runs(environ: Mapping[str, str]) -> bool:
    try:
        return ask_running("GET", "/v1/health", environ=environ) is not None
    except AgentkeysError:
        # It runs, even if it says nothing that we understand.
        return True
