"""Tables for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from agentkeys.clock import SystemClock, parse_utc
from agentkeys_shell.durations import in_words
from agentkeys_shell.short_names import short_name

__all__ = [
    "new_console",
    "print_profiles_table",
    "print_runs_table",
    "print_status_table",
    "status_parts",
]

_STATE_STYLE = {
    "fresh": "green",
    "early": "green",
    "dying": "yellow",
    "over": "red",
    "none": "dim",
    "break-glass": "magenta",
}
_SESSION_STYLE = {"live": "green", "expired": "red", "refused": "red"}

MOST_NAMED = 3
"""Programs that `status` names; `runs` lists them all."""


def print_status_table(status: Mapping[str, Any], console: Console | None = None) -> None:
    """The facts of `status --json` on one screen."""
    console = console or new_console()
    for part in status_parts(status):
        # On a terminal, lines are broken between words; in a file they are not broken at all.
        console.print(part, soft_wrap=isinstance(part, Text) and not console.is_terminal)


def new_console() -> Console:
    """What tables are printed on."""
    console = Console(highlight=False)
    if not console.is_terminal:
        # Into a file or a pipe everything is written out, however long.
        console.width = 1000
    return console


def status_parts(status: Mapping[str, Any], *, exact: bool = False) -> list[Table | Text]:
    """The table of leases and the lines below it; where they are `exact`, times have seconds."""
    daemon = status["daemon"]
    if daemon is None:
        return [Text("no daemon is running; the next command that needs one starts it")]
    lines = [_identity(identity, exact=exact) for identity in status["identities"]]
    # One of before it knew runs names none.
    lines += _running(status.get("runs", ()))
    lines.append(f"[dim]daemon {daemon['pid']}: {escape(daemon['vault_detail'])}[/]")
    lines += [*_problems(status), *map(_notice, status["notices"])]
    table = _leases(status["profiles"], status["default_profile"], exact=exact)
    return [table, *map(Text.from_markup, lines)]


def _leases(profiles: list[dict[str, Any]], default: str | None, *, exact: bool) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("PROFILE", "WHO", "ROLE", "KEY", "EXPIRES IN", "REFRESH IN", "STATE"):
        # On a narrow terminal names are cut short; what is short already stays whole.
        is_name = title in ("PROFILE", "ROLE")
        table.add_column(title, no_wrap=not is_name, overflow="ellipsis")
    for profile in profiles:
        state = "break-glass" if profile.get("break_glass") else profile["state"]
        left, pause = profile["expires_in_seconds"], _refresh_in_seconds(profile)
        table.add_row(
            escape(profile["name"]) + ("*" if profile["name"] == default else ""),
            _short(profile["subject"]),
            escape((profile["role_arn"] or "-").rpartition("/")[2]),
            f"…{profile['key_ending']}" if profile["key_ending"] else "-",
            _until(left, past="over", exact=exact),
            _until(pause, past="due", exact=exact),
            f"[{_STATE_STYLE.get(state, '')}]{state}[/]",
        )
    return table


def _refresh_in_seconds(profile: Mapping[str, Any]) -> int | None:
    """None where nobody uses the lease, or there is none."""
    if profile["refresh_at"] is None:
        return None
    # Both times are of the store's clock, which need not be ours.
    between = parse_utc(profile["expires_at"]) - parse_utc(profile["refresh_at"])
    return int(profile["expires_in_seconds"] - between.total_seconds())


def _identity(identity: Mapping[str, Any], *, exact: bool) -> str:
    session, where = identity["session"], escape(identity["url"] or identity["source"])
    if session == "not_needed":
        return f"{escape(identity['name'])}: no login needed, {where}"
    style = _SESSION_STYLE.get(session, "dim")
    words = f"{escape(identity['name'])}: session [{style}]{session}[/]"
    if session == "live" and identity["session_expires_at"]:
        words += f" for {_until(_session_seconds(identity), past='a moment', exact=exact)}"
    return f"{words}, {where}"


def _session_seconds(identity: Mapping[str, Any]) -> int:
    """By the broker's clock, which decides when the session is over."""
    theirs = SystemClock().now() + timedelta(seconds=identity["clock_skew_seconds"] or 0)
    return int((parse_utc(identity["session_expires_at"]) - theirs).total_seconds())


def _running(runs: Sequence[Mapping[str, Any]]) -> list[str]:
    """One line for all, if there are any."""
    if not runs:
        return []
    named = [f"{_program(run)} ({run['pid']})" for run in runs[:MOST_NAMED]]
    if len(runs) > MOST_NAMED:
        named.append(f"{len(runs) - MOST_NAMED} more")
    return [f"running: {', '.join(named)} [dim](agentkeys runs)[/]"]


def _problems(status: Mapping[str, Any]) -> list[str]:
    """What is wrong, one line each."""
    daemon = status["daemon"]
    found = [(None, daemon["config_error"]), (None, daemon["ledger_error"])]
    found.append((None, daemon.get("endpoint_error")))
    found += [(entry["name"], entry["vault_error"]) for entry in status["identities"]]
    found += [(entry["name"], entry["last_error"]) for entry in status["profiles"]]
    return [_line("red", name, problem) for name, problem in found if problem]


def _notice(notice: Mapping[str, str]) -> str:
    return _line("yellow", notice["about"], notice)


def _line(style: str, about: str | None, told: Mapping[str, str]) -> str:
    words = f"{about}: {told['message']}" if about else told["message"]
    return f"[{style}]{escape(words)}[/] [dim]({escape(told['hint'])})[/]"


def print_runs_table(runs: Sequence[Mapping[str, Any]]) -> None:
    """One line each, the latest last."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("RUN", "PROFILE", "PROGRAM", "PID", "DOOR", "ALLOWED", "FOR", "EXPIRES IN"):
        is_long = title in ("PROFILE", "PROGRAM", "ALLOWED")
        table.add_column(title, no_wrap=not is_long, overflow="fold")
    for run in runs:
        table.add_row(
            run["id"],
            escape(run["profile"]),
            _program(run),
            str(run["pid"]),
            run["door"] if run["state"] == "live" else f"[red]{run['state']}[/]",
            escape(_allowed(run)),
            in_words(max(SystemClock().now() - parse_utc(run["started_at"]), timedelta(0))),
            _until(run["expires_in_seconds"], past="over", exact=False),
        )
    new_console().print(table)


def _program(run: Mapping[str, Any]) -> str:
    """Without its folders; who wants to know them looks at the JSON."""
    return escape((run["program"] or "-").rstrip("/").rpartition("/")[2] or "/")


def _allowed(run: Mapping[str, Any]) -> str:
    """What it was narrowed to; `all` that its profile allows, where it was not."""
    parts = list(run["allow"] or ())
    if run["read_only"]:
        parts.append("read only")
    return ", ".join(parts) or "all"


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
    new_console().print(table)


def _short(subject: str | None) -> str:
    """A wallet or omni as people recognise it, by both of its ends."""
    if subject is None:
        return "-"
    return escape(short_name(subject))


def _until(seconds: int | None, *, past: str, exact: bool) -> str:
    """How long until a time: `58m`, `4h 59m`, or `past`; `-` where there is none."""
    if seconds is None:
        return "-"
    return in_words(timedelta(seconds=seconds), exact=exact) if seconds > 0 else past
