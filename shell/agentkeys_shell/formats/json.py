"""One object of names and values, for programs."""

from __future__ import annotations

import json

from agentkeys_shell.formats import is_text, unwritable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["render"]


def render(given: Mapping[str, str], _: Mapping[str, str]) -> str:
    """What is given, and nothing of what would have to be unset."""
    for name, value in given.items():
        if not is_text(value):
            raise unwritable(name, "bytes that are no text", "json")
    return json.dumps(dict(given), indent=2) + "\n"
