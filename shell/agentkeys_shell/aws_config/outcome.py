"""What was done to an AWS configuration file, or would be."""

from __future__ import annotations

import difflib
import io
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Outcome", "Section"]

_SECRET_NAMES = ("secret", "token", "password")


@dataclass(frozen=True, slots=True)
class Section:
    """What became of one profile of theirs."""

    name: str
    profile: str
    """Ours."""
    change: str
    """`added`, `changed`, `unchanged` or `removed`."""
    keys: tuple[str, ...] = ()
    """Those that changed, in a section that was there."""

    @property
    def header(self) -> str:
        return "[default]" if self.name == "default" else f"[profile {self.name}]"


@dataclass(frozen=True, slots=True)
class Outcome:
    """The file before and after; a text of None means that there is no file."""

    sections: tuple[Section, ...]
    before: str | None
    after: str | None
    is_restored: bool = False
    """Whether the file is to the byte as it was before us."""
    notes: tuple[str, ...] = ()

    @property
    def is_change(self) -> bool:
        return self.before != self.after

    def diff(self, path: Path) -> str:
        """A unified diff, empty without a change.

        Its context gets narrower where it would show the value of another key that is secret.
        """
        old, new = (str(path) if text is not None else "/dev/null" for text in self._texts)
        before, after = (_lines(text or "") for text in self._texts)
        lines: list[str] = []
        for context in (3, 2, 1, 0):
            lines = list(difflib.unified_diff(before, after, old, new, n=context))
            if not any(line.startswith(" ") and _is_secret(line) for line in lines):
                break
        return "".join(line if line.endswith("\n") else f"{line}\n{_UNENDED}" for line in lines)

    @property
    def _texts(self) -> tuple[str | None, str | None]:
        return self.before, self.after


_UNENDED = "\\ No newline at end of file\n"


def _lines(text: str) -> list[str]:
    return list(io.StringIO(text, newline="\n"))


def _is_secret(line: str) -> bool:
    name = line.partition("=")[0].lower()
    return any(word in name for word in _SECRET_NAMES)
