"""What we have done to an AWS configuration file, so that it can be undone.

The way back is kept as a patch rather than as a copy of the file, since a user's file may hold
keys: the memory has nothing of it but the lines that we have changed.
"""

from __future__ import annotations

import difflib
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from agentkeys.errors import ConfigError
from agentkeys.private_files import private_folder, replace_file
from agentkeys_shell.aws_config.editing import OwnSection, Written, take_back
from agentkeys_shell.aws_config.ini import split_lines

__all__ = ["Memory", "MemoryFile", "OwnProfile", "baseline", "remember"]

VERSION = 1
Patch = tuple[tuple[int, int, str], ...]
"""First line, the line after the last, and what stands in their place."""


@dataclass(frozen=True, slots=True)
class OwnProfile:
    """What is ours of one of their profiles."""

    profile: str
    """Ours."""
    sections: tuple[OwnSection, ...]


@dataclass(frozen=True, slots=True)
class Memory:
    """One file, after we have changed it."""

    after: str
    """The hash of how we left it."""
    before: str | None
    """The hash of how it would be without us, None where it would not be there."""
    patch: Patch
    """The way from the one to the other."""
    profiles: Mapping[str, OwnProfile]
    """By their names."""


def remember(text: str, without_us: str | None, profiles: Mapping[str, OwnProfile]) -> Memory:
    """For a file that we leave as `text`, and that would be `without_us`."""
    return Memory(
        after=_hash(text),
        before=None if without_us is None else _hash(without_us),
        patch=_patch(split_lines(text), split_lines(without_us or "")),
        profiles=profiles,
    )


def baseline(text: str | None, memory: Memory | None) -> tuple[str | None, bool]:
    """The file without us, None for no file, and whether it is to the byte what was there before.

    `text` is the file as it is now. Where nobody else has changed it since, we know; otherwise only
    what is ours is taken out of it. Raises MalformedLine.
    """
    if text is None or memory is None:
        return text, True
    if _hash(text) == memory.before:
        return text, True
    if _hash(text) == memory.after:
        restored = _apply(memory.patch, text)
        if memory.before is None and not restored:
            return None, True
        if _hash(restored) == memory.before:
            return restored, True
    for name, own in memory.profiles.items():
        text = take_back(text, name, own.sections)
    return (None if memory.before is None and not text.strip() else text), False


class MemoryFile:
    """Where the memory of one file lies, in a private folder."""

    def __init__(self, folder: Path, target: Path) -> None:
        self.folder = folder
        self._target = target
        name = hashlib.sha256(str(target).encode("utf-8", "surrogateescape")).hexdigest()[:16]
        self.path = folder / f"{name}.json"

    def load(self) -> Memory | None:
        """None where nothing was done. Raises ConfigError where it cannot be told what was."""
        try:
            document = json.loads(self.path.read_text(encoding="utf-8"))
            return _parse(document)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as problem:
            raise ConfigError(
                f"{self.path}, which says what agentkeys has done to {self._target}, is broken",
                hint="remove it, and take back by hand what you do not want",
            ) from problem

    def save(self, memory: Memory | None) -> None:
        """Raises ConfigError. None forgets."""
        try:
            if memory is None:
                self.path.unlink(missing_ok=True)
                return
            private_folder(self.folder)
            document = {"version": VERSION, "file": str(self._target), **asdict(memory)}
            replace_file(self.path, json.dumps(document, indent=1))
        except OSError as problem:
            raise ConfigError(
                f"{self.path} cannot be written: {(problem.strerror or str(problem)).lower()}",
                hint="make room, or set AGENTKEYS_STATE_DIR to a folder of yours",
            ) from problem


def _parse(document: Mapping[str, Any]) -> Memory:
    if document["version"] != VERSION:
        raise ValueError(document["version"])
    return Memory(
        after=document["after"],
        before=document["before"],
        patch=tuple((int(a), int(b), str(text)) for a, b, text in document["patch"]),
        profiles={
            name: OwnProfile(own["profile"], tuple(map(_section, own["sections"])))
            for name, own in document["profiles"].items()
        },
    )


def _section(document: Mapping[str, Any]) -> OwnSection:
    keys = {
        key: Written(written["value"], tuple(written["was"]))
        for key, written in document["keys"].items()
    }
    return OwnSection(keys, made=document["made"], gap=document["gap"])


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


def _patch(lines: Sequence[str], wanted: Sequence[str]) -> Patch:
    # What both begin with is left out first: in a long file difflib takes its time.
    start = 0
    while start < min(len(lines), len(wanted)) and lines[start] == wanted[start]:
        start += 1
    matcher = difflib.SequenceMatcher(None, lines[start:], wanted[start:])
    return tuple(
        (start + first, start + end, "".join(wanted[start:][other:other_end]))
        for kind, first, end, other, other_end in matcher.get_opcodes()
        if kind != "equal"
    )


def _apply(patch: Patch, text: str) -> str:
    lines = split_lines(text)
    for first, end, instead in reversed(patch):
        lines[first:end] = [instead]
    return "".join(lines)
