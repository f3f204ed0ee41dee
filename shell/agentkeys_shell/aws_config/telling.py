"""Words and JSON for what became of an AWS configuration file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from agentkeys_shell.aws_config.outcome import Outcome, Section

__all__ = ["diff_bytes", "document", "lines_of_undo", "lines_of_write"]


def lines_of_write(outcome: Outcome, path: Path) -> Iterator[str]:
    """What was written, a line for each profile."""
    for section in outcome.sections:
        if section.change == "added":
            yield f"added {section.header} to {path}"
        elif section.change == "changed":
            yield f"changed {section.header} in {path}: {', '.join(section.keys)}"
        else:
            yield f"unchanged: {section.header} in {path} is as it should be"


def lines_of_undo(outcome: Outcome, path: Path) -> Iterator[str]:
    """What was taken back."""
    if not outcome.is_change:
        yield f"nothing to undo in {path}"
    elif outcome.after is None:
        yield f"removed {path}, which agentkeys had made"
    elif outcome.is_restored:
        yield f"restored {path} as it was before"
    else:
        names = ", ".join(section.header for section in outcome.sections)
        yield f"took what agentkeys had written in {names} out of {path}, and kept the rest"


def diff_bytes(outcome: Outcome, path: Path) -> bytes:
    """The diff with the file's own bytes, for a terminal, a file or `patch`."""
    return outcome.diff(path).encode("utf-8", "surrogateescape")


def document(outcome: Outcome, path: Path, *, is_dry: bool, step: str | None) -> dict[str, Any]:
    """The same facts for programs."""
    told: dict[str, Any] = {
        "version": 1,
        "path": str(path),
        "changed": outcome.is_change and not is_dry,
        "profiles": list(map(_profile, outcome.sections)),
        "restored": outcome.is_restored,
        "notes": list(outcome.notes),
        "next": step,
    }
    if is_dry:
        told["diff"] = diff_bytes(outcome, path).decode("utf-8", "replace")
    return told


def _profile(section: Section) -> dict[str, Any]:
    return {
        "name": section.profile,
        "aws_name": section.name,
        "change": section.change,
        "keys": list(section.keys),
    }
