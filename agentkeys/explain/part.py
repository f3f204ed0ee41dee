"""One thing that a store needs: something to paste, and the reason for it."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["Part", "commands"]


@dataclass(frozen=True, slots=True)
class Part:
    """One document or a few commands; `<…>` in it stands for what is not known here."""

    name: str
    """For a document the file that the commands take it from."""
    title: str
    why: tuple[str, ...]
    """What it does and what would go wrong without, a sentence each."""
    content: Mapping[str, Any] | str | None = None
    """A JSON document, or lines for a shell; None where the reason is all there is."""

    @property
    def text(self) -> str:
        """The content as it can be pasted."""
        if self.content is None or isinstance(self.content, str):
            return self.content or ""
        return json.dumps(self.content, indent=2)


def commands(*lines: tuple[str, ...]) -> str:
    """Lines for a shell; placeholders in them are quoted, so that they redirect nothing."""
    return "\n".join(shlex.join(line) for line in lines)
