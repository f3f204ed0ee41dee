"""Assignments for sh, dash, bash, zsh and ksh: `eval "$(agentkeys env)"`."""

from __future__ import annotations

from agentkeys_shell.formats import misleading_names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["assign", "render"]


def render(given: Mapping[str, str], environ: Mapping[str, str]) -> str:
    """Sets what is given and unsets what would mislead."""
    return assign(given, misleading_names(given, environ))


def assign(given: Mapping[str, str], unwanted: Iterable[str]) -> str:
    """The commands, each with an end of its own: `eval` without quotes makes one line of them."""
    lines = [f"unset {name};" for name in unwanted]
    lines += [f"export {name}={_quote(value)};" for name, value in given.items()]
    return "".join(f"{line}\n" for line in lines)


def _quote(value: str) -> str:
    # Between single quotes all is literal, and a single quote cannot be.
    return "'" + value.replace("'", "'\\''") + "'"
