"""The lines of an AWS configuration file, understood as botocore understands them.

botocore leaves the reading to Python's configparser: keys have no case, comments are whole lines,
and a line that is indented deeper than the key above it belongs to that key's value. configparser
does not tell on which lines it found what, and an edit that keeps every other byte has to know.
"""

from __future__ import annotations

import io
import re
import shlex
from dataclasses import dataclass, field
from functools import lru_cache

__all__ = [
    "BOM",
    "Ini",
    "IniOption",
    "IniSection",
    "MalformedLine",
    "parse_ini",
    "profile_of",
    "split_lines",
]

BOM = "\ufeff"
_HEADER = re.compile(r"\[(?P<header>.+)\]")
_OPTION = re.compile(r"(?P<key>.*?)\s*[=:]\s*(?P<value>.*)$")


class MalformedLine(ValueError):
    """A line that no AWS client could make sense of; `number` counts from one."""

    def __init__(self, number: int, why: str) -> None:
        super().__init__(why)
        self.number = number
        self.why = why


@dataclass(slots=True)
class IniOption:
    """One key of a section; `lines` are those that hold its value, its own line first."""

    key: str
    """In lower case."""
    indent: str
    lines: list[int]
    parts: list[str]
    """What these lines, and the blank ones between them, add to the value."""

    @property
    def value(self) -> str:
        return "\n".join(self.parts).rstrip()


@dataclass(slots=True)
class IniSection:
    """One `[header]` and what follows it."""

    header: str
    indent: str
    line: int
    options: list[IniOption] = field(default_factory=list)

    @property
    def profile(self) -> str | None:
        return profile_of(self.header)

    @property
    def last_line(self) -> int:
        """The last line that says anything; blank ones and comments may follow."""
        return self.options[-1].lines[-1] if self.options else self.line

    def find(self, key: str) -> list[IniOption]:
        """Every option called `key`; more than one is a mistake that some clients let pass."""
        return [option for option in self.options if option.key == key]


@dataclass(frozen=True, slots=True)
class Ini:
    """A whole file; `lines` have their ends and make the text again when joined."""

    lines: list[str]
    sections: list[IniSection]

    def of_profile(self, name: str) -> list[IniSection]:
        """Every section that means the profile `name`, in order."""
        return [section for section in self.sections if section.profile == name]


@lru_cache(maxsize=10_000)
def profile_of(header: str) -> str | None:
    """The profile that a section's header names, None where it names none."""
    if header == "default":
        return "default"
    try:
        words = shlex.split(header) if header.startswith("profile") else []
    except ValueError:
        return None
    return words[1] if len(words) == 2 else None


def split_lines(text: str) -> list[str]:
    """The lines of `text` with their ends, which may be LF, CRLF or CR, and nothing else."""
    return list(io.StringIO(text, newline=""))


def parse_ini(text: str) -> Ini:
    """Raises MalformedLine. Twice the same section or key is no reason to: some clients take it."""
    lines = split_lines(text)
    sections: list[IniSection] = []
    option: IniOption | None = None
    depth = 0
    for index, line in enumerate(lines):
        plain = line.removeprefix(BOM) if index == 0 else line
        words = plain.strip()
        if not words and option:
            option.parts.append("")
        if not words or words[0] in "#;":
            continue
        indent = plain[: len(plain) - len(plain.lstrip())]
        if option and len(indent) > depth:
            option.lines.append(index)
            option.parts.append(words)
            continue
        depth = len(indent)
        if found := _HEADER.match(words):
            sections.append(IniSection(found["header"], indent, index))
            option = None
        else:
            option = _option(index, words, indent, in_section=bool(sections))
            sections[-1].options.append(option)
    return Ini(lines, sections)


def _option(index: int, words: str, indent: str, *, in_section: bool) -> IniOption:
    if words.startswith("["):
        raise MalformedLine(index + 1, "has a bracket that is not closed")
    if not in_section:
        raise MalformedLine(index + 1, "stands above the first [section]")
    found = _OPTION.match(words)
    if not found or not found["key"]:
        raise MalformedLine(index + 1, "is neither a [section] nor key = value")
    return IniOption(found["key"].lower(), indent, [index], [found["value"].strip()])
