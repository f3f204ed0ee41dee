"""`agentkeys status --watch`: the status again and again, until Ctrl-C or until nobody reads it.

On a terminal it is one picture that is drawn anew every second. Elsewhere, and as JSON, it is
written once more whenever something has changed.
"""

from __future__ import annotations

import json
import os
import select
import signal
import sys
import time
from collections.abc import Callable
from types import FrameType
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from agentkeys.errors import AgentkeysError
from agentkeys_shell.daemon import pass_on
from agentkeys_shell.failure import say
from agentkeys_shell.render import new_console, print_status_table, status_parts

__all__ = ["watch"]

MOVING = frozenset(
    {"expires_in_seconds", "clock_skew_seconds", "resident_bytes", "open_descriptors"}
)
"""What differs from look to look although nothing has happened."""

Look = Callable[[], bytes]
"""Fetches a status document as JSON."""


def watch(look: Look, *, as_json: bool, seconds: float = 1.0) -> int:
    """Shows what `look` gives until Ctrl-C, or until nobody reads it: 0.

    `seconds` are between two looks. Raises what the first look raises; when a later one fails, that
    is shown, and it goes on.
    """
    try:
        first, console = look(), new_console()
        if not as_json and console.is_interactive and os.isatty(1):
            _draw(first, look, console, seconds)
        else:
            _repeat(first, look, as_json, seconds)
    except (KeyboardInterrupt, BrokenPipeError):
        return 0
    return 0


def _draw(document: bytes, look: Look, console: Console, seconds: float) -> None:
    """Draws on the terminal's other screen; the last picture stays on the first one."""
    signal.signal(signal.SIGTERM, _end)
    picture, problem = _picture(document), Group()
    try:
        # It starts without a picture: an end that came during its drawing would find nobody yet who
        # gives the terminal back.
        with Live(console=console, screen=True, auto_refresh=False) as live:
            while True:
                live.update(Group(picture, problem), refresh=True)
                time.sleep(seconds)
                try:
                    picture, problem = _picture(look()), Group()
                except AgentkeysError as found:
                    problem = Group(Text(f"{found.message} ({found.hint})", style="red"))
    finally:
        console.print(picture, problem)


def _end(number: int, frame: FrameType | None) -> None:
    # A terminal must not be left without its cursor.
    sys.exit(128 + number)


def _picture(document: bytes) -> Group:
    return Group(*status_parts(json.loads(document), exact=True))


def _repeat(document: bytes, look: Look, as_json: bool, seconds: float) -> None:
    reader = select.poll()
    reader.register(1, 0)
    shown, told = None, ""
    while True:
        status = json.loads(document)
        if (lasting := _lasting(status)) != shown:
            pass_on(document if as_json else _table(status, apart=shown is not None))
            shown = lasting
        # A pipe whose reader has gone is told by poll, long before there is something to write.
        if reader.poll(seconds * 1000):
            return
        try:
            document, told = look(), ""
        except AgentkeysError as problem:
            if problem.message != told:
                say(f"note: {problem.message}")
            told = problem.message


def _lasting(part: Any) -> Any:
    """A status document without what is always moving."""
    if isinstance(part, dict):
        return {name: _lasting(value) for name, value in part.items() if name not in MOVING}
    return [_lasting(value) for value in part] if isinstance(part, list) else part


def _table(status: dict[str, Any], *, apart: bool) -> bytes:
    console = new_console()
    with console.capture() as captured:
        if apart:
            console.print()
        print_status_table(status, console)
    return captured.get().encode("utf-8", "replace")
