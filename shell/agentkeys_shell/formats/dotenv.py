"""Lines for a .env file, for python-dotenv, `node --env-file`, docker, compose and systemd.

There is no standard, so this writes only what all of them read alike: a value bare where that is
possible, since docker would take quotes for a part of it, and refuses what they disagree on.
"""

from __future__ import annotations

from agentkeys_shell.formats import is_text, unwritable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["render"]

_BARE = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._/:+=@,%")


def render(given: Mapping[str, str], _: Mapping[str, str]) -> str:
    """A line for each of what is given; a file cannot unset what its reader has inherited."""
    return "".join(f"{name}={_quote(name, value)}\n" for name, value in given.items())


def _quote(name: str, value: str) -> str:
    if _BARE.issuperset(value):
        return value
    problem = _problem(value)
    if problem:
        raise unwritable(name, problem, "dotenv")
    return f'"{value}"' if "'" in value else f"'{value}'"


def _problem(value: str) -> str | None:
    if not is_text(value):
        return "bytes that are no text"
    if not value.isprintable():
        return "a newline or another control character"
    if "\\" in value:
        return "a backslash"
    # python-dotenv puts variables in even between single quotes.
    if "${" in value:
        return "${"
    if "'" in value and any(char in value for char in '"$`'):
        return 'a single quote together with ", $ or a backtick'
    return None
