"""Assignments for fish: `agentkeys env --format fish | source`."""

from __future__ import annotations

from agentkeys_shell.formats import misleading_names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["render"]


def render(given: Mapping[str, str], environ: Mapping[str, str]) -> str:
    """Sets what is given and unsets what would mislead."""
    lines = [_unset(name) for name in misleading_names(given, environ)]
    lines += [f"set -gx {name} {_quote(value)};" for name, value in given.items()]
    return "".join(f"{line}\n" for line in lines)


def _unset(name: str) -> str:
    # A universal variable is the user's for good and for every shell, and no global one hides it
    # from programs: only the user can say that it may go.
    hint = f"agentkeys: hint: {name} is a universal variable and stays; run: set -eU {name}"
    return f"set -eg {name}; set -q {name}; and echo '{hint}' >&2;"


def _quote(value: str) -> str:
    """Between single quotes but for newlines: `eval (…)` makes one line of all."""
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return "'" + escaped.replace("\n", "'\\n'") + "'"
