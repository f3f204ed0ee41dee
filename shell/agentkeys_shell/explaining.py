"""`exec --explain`: how the program's environment would differ from the caller's."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from agentkeys_shell.daemon import pass_on
from agentkeys_shell.environment import HARMLESS, is_inherited

__all__ = ["explain"]


def explain(inherited: Mapping[str, str], child: Mapping[str, str], *, as_json: bool) -> int:
    """Prints it; returns the exit status. `child` holds no secret, and what goes is only named."""
    removed = sorted(inherited.keys() - child.keys())
    changed = {name: child[name] for name in sorted(child) if child[name] != inherited.get(name)}
    kept = sorted(name for name in child if name not in changed and _is_special(name))
    if as_json:
        document = {"version": 1, "removed": removed, "set": changed, "kept": kept}
        return pass_on(json.dumps(document).encode() + b"\n")
    lines = [*_lines("-", removed), *_lines("+", [f"{n}={v}" for n, v in changed.items()])]
    return pass_on("".join((*lines, *_lines("=", kept))).encode("utf-8", "replace"))


def _is_special(name: str) -> bool:
    """Whether it stays for a reason, where others like it go."""
    return name in HARMLESS or not is_inherited(name)


def _lines(mark: str, entries: list[str]) -> Iterator[str]:
    for entry in entries:
        shown = "".join(letter if letter.isprintable() else "?" for letter in entry)
        yield f"{mark} {shown}\n"
