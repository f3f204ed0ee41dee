"""Unit files on disk: ours are replaced and removed, anybody else's are left alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from agentkeys.errors import ConfigError
from agentkeys.private_files import make_folders, replace_file

__all__ = ["MARKER", "UnitFile", "is_ours", "remove_units", "write_units"]

MARKER = "Written by: agentkeys daemon install"
"""Stands at the top of every file of ours, in a comment."""

_TOP = 200


@dataclass(frozen=True, slots=True)
class UnitFile:
    """One file for a service manager to read."""

    path: Path
    content: str
    is_public: bool = False
    """Whether everybody may read it, as systemd expects of the system's own units."""


def write_units(units: Sequence[UnitFile]) -> list[Path]:
    """Writes those that are not there yet as they should be; returns their paths.

    Raises ConfigError, before anything is written, where a file is not one of ours.
    """
    found = [_content(unit.path) for unit in units]
    for unit, content in zip(units, found, strict=True):
        if content is not None and not _is_marked(content):
            raise ConfigError(
                f"{unit.path} is there and was not written by agentkeys",
                hint="move it away, or keep it and do without: agentkeys daemon install",
            )
    changed = [unit for unit, text in zip(units, found, strict=True) if text != unit.content]
    for unit in changed:
        _write(unit)
    return [unit.path for unit in changed]


def remove_units(paths: Sequence[Path]) -> None:
    """Removes files of ours. Raises ConfigError."""
    for path in paths:
        try:
            path.unlink(missing_ok=True)
        except OSError as problem:
            raise _failed(path, "removed", problem) from problem


def is_ours(path: Path) -> bool:
    """Whether there is such a file and we have written it. Raises ConfigError."""
    content = _content(path)
    return content is not None and _is_marked(content)


def _is_marked(content: str) -> bool:
    return MARKER in content[:_TOP]


def _content(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        # A link that leads nowhere is somebody's too: `systemctl mask` makes links.
        return "" if path.is_symlink() else None
    except OSError as problem:
        raise _failed(path, "read", problem) from problem


def _write(unit: UnitFile) -> None:
    try:
        make_folders(unit.path.parent)
        replace_file(unit.path, unit.content)
        if unit.is_public:
            unit.path.chmod(0o644)
    except OSError as problem:
        raise _failed(unit.path, "written", problem) from problem


def _failed(path: Path, what: str, problem: OSError) -> ConfigError:
    return ConfigError(
        f"{path} cannot be {what}: {(problem.strerror or str(problem)).lower()}",
        hint=f"check who may write to {path.parent}",
    )
