"""The full command line, behind the fast paths: click and all that is installed."""

from __future__ import annotations

import os
import sys

from agentkeys_shell.daemon import enable_packages

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["run_click"]


def run_click(arguments: Sequence[str]) -> int:
    """Runs any command; returns its exit status. Raises AgentkeysError."""
    enable_packages()
    try:
        from agentkeys_shell.cli import main as cli_main  # noqa: PLC0415
    except ModuleNotFoundError as problem:
        print(f"agentkeys: error: {problem.name} is not installed", file=sys.stderr)
        print("agentkeys: hint: install agentkeys with pipx, uv or pip", file=sys.stderr)
        return 1
    try:
        return cli_main(list(arguments))
    finally:
        _flush()


def _flush() -> None:
    """Writes what is buffered while a failure can still be told; raises OSError."""
    try:
        if sys.stdout:
            sys.stdout.flush()
    except OSError:
        # What is left would fail once more at the interpreter's end, in words that are not ours.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        raise
