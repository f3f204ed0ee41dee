"""The programs that our documents show, each with what it prints."""

from __future__ import annotations

import re
from pathlib import Path

__all__ = ["examples_of"]

_DOCUMENTS = Path(__file__).parent.parent.parent / "docs"
_EXAMPLE = re.compile(r"^```python\n(.*?)^```\n+```text\n(.*?)^```", re.MULTILINE | re.DOTALL)


def examples_of(name: str) -> list[tuple[str, str]]:
    """Of docs/NAME, all of them: one without its output is an error."""
    text = (_DOCUMENTS / name).read_text(encoding="utf-8")
    found = _EXAMPLE.findall(text)
    if not found or len(found) != text.count("```python"):
        raise AssertionError(f"an example in {name} does not show what it prints")
    return found
