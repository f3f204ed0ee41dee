"""Tables for people."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from agentkeys.clock import SystemClock, parse_utc

__all__ = ["print_profiles_table", "print_status_table"]

_STATE_STYLE = {"fresh": "green", "early": "green", "dying": "yellow", "over": "red", "none": "dim"}
_SESSION_STYLE = {"live": "green", "expired": "red", "refused": "red"}


def print_status_table(status: Mapping[str, Any]) -> None:
    """The facts of `status --json` on one screen."""
    console = _console()
    daemon = status["daemon"]
    if daemon is None:
        console.print("no daemon is running; the next command that needs one starts it")
        return
    console.print(_leases(status["profiles"], status["default_profile"]))
    lines = [_identity(identity) for identity in status["identities"]]
    lines.append(f"[dim]daemon {daemon['pid']}: {escape(daemon['vault_detail'])}[/]")
    for line in [*lines, *_problems(status)]:
        console.print(line, soft_wrap=True)


def _console() -> Console:
    console = Console(highlight=False)
    if not console.is_terminal:
        # Into a file or a pipe everything is written out, however long.
        console.width = 1000
    return console


def _leases(profiles: list[dict[str, Any]], default: str | None) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("PROFILE", "WHO", "ROLE", "KEY", "EXPIRES IN", "REFRESH IN", "STATE"):
        table.add_column(title, no_wrap=True)
    for profile in profiles:
        state = profile["state"]
        table.add_row(
            escape(profile["name"]) + ("*" if profile["name"] == default else ""),
            _short(profile["subject"]),
            escape((profile["role_arn"] or "-").rpartition("/")[2]),
            f"…{profile['key_ending']}" if profile["key_ending"] else "-",
            _until(profile["expires_at"]),
            _until(profile["refresh_at"], past="due"),
            f"[{_STATE_STYLE.get(state, '')}]{state}[/]",
        )
    return table


def _identity(identity: dict[str, Any]) -> str:
    session = identity["session"]
    style = _SESSION_STYLE.get(session, "dim")
    words = f"{escape(identity['name'])}: session [{style}]{session}[/]"
    if session == "live":
        words += f" for {_until(identity['session_expires_at'])}"
    return f"{words}, {escape(identity['url'])}"


def _problems(status: Mapping[str, Any]) -> list[str]:
    """What is wrong, one line each."""
    found = [(None, status["daemon"]["config_error"]), (None, status["daemon"]["ledger_error"])]
    found += [(entry["name"], entry["vault_error"]) for entry in status["identities"]]
    found += [(entry["name"], entry["last_error"]) for entry in status["profiles"]]
    return [
        f"[red]{escape(name + ': ' if name else '')}{escape(problem['message'])}[/]"
        f" [dim]({escape(problem['hint'])})[/]"
        for name, problem in found
        if problem
    ]


def print_profiles_table(document: Mapping[str, Any]) -> None:
    """What is configured, the default profile marked with a star."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("PROFILE", "IDENTITY", "STORE", "ROLE", "BUCKET", "PREFIX", "CONFINED BY"):
        table.add_column(title, overflow="fold")
    for profile in document["profiles"]:
        table.add_row(
            profile["name"] + ("*" if profile["name"] == document["default_profile"] else ""),
            profile["identity"],
            profile["store"],
            (profile["role_arn"] or "-").rpartition("/")[2],
            escape(profile["bucket"] or "-"),
            escape(profile["prefix"] or "-"),
            profile["confine"],
        )
    _console().print(table)


def _short(subject: str | None) -> str:
    """A wallet or omni as people recognise it, by both of its ends."""
    if subject is None:
        return "-"
    return escape(subject if len(subject) <= 14 else f"{subject[:6]}…{subject[-4:]}")


def _until(at: str | None, *, past: str = "over") -> str:
    """How long until a time: `58m`, `4h 59m`, or `past`."""
    if at is None:
        return "-"
    left = parse_utc(at) - SystemClock().now()
    if left <= timedelta(0):
        return past
    minutes, seconds = divmod(int(left.total_seconds()), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h {minutes}m" if hours else f"{minutes}m" if minutes else f"{seconds}s"
