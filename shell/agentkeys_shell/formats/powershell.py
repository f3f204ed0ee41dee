"""Assignments for PowerShell: `agentkeys env --format powershell | iex`."""

from __future__ import annotations

from agentkeys_shell.formats import is_text, misleading_names, unwritable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["render"]

_QUOTES = "'\u2018\u2019\u201a\u201b"
"""What PowerShell takes for a single quote: typographic ones, too."""


def render(given: Mapping[str, str], environ: Mapping[str, str]) -> str:
    """Sets what is given and unsets what would mislead."""
    lines = [f"Remove-Item Env:{name}" for name in misleading_names(given, environ)]
    lines += [f"$env:{name} = {_quote(name, value)}" for name, value in given.items()]
    return "".join(f"{line}\n" for line in lines)


def _quote(name: str, value: str) -> str:
    if not is_text(value):
        raise unwritable(name, "bytes that are no text", "powershell")
    doubled = "".join(char * 2 if char in _QUOTES else char for char in value)
    # A program's output comes to `iex` line by line, which would cut such a string in two.
    for char in "\r\n":
        doubled = doubled.replace(char, f"' + [char]{ord(char)} + '")
    return f"'{doubled}'"
