"""Changes to the lines of a configuration file, gathered by their numbers and made all at once."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from agentkeys_shell.aws_config.ini import Ini, IniOption, IniSection

__all__ = ["LineEdits", "line_end"]

_BEFORE_VALUE = re.compile(r".*?[=:]\s*")
_ENDS = ("\r", "\n")


@dataclass(slots=True)
class LineEdits:
    """What is to become of some lines of `ini`; the others stay as they are."""

    ini: Ini
    changed: dict[int, str] = field(default_factory=dict)
    inserted: dict[int, str] = field(default_factory=dict)

    @property
    def removed(self) -> set[int]:
        return {index for index, text in self.changed.items() if not text}

    def remove(self, index: int) -> None:
        self.changed[index] = ""

    def set_value(self, option: IniOption, value: str) -> None:
        """What stands before the value and after it stays; comments between its lines do too."""
        line = self.ini.lines[option.lines[0]]
        words = line.rstrip()
        found = _BEFORE_VALUE.match(words)
        before = found[0] if found else ""
        blank = " " if before == words else ""
        self.put(option, before + blank + value + line[len(words) :])

    def put(self, option: IniOption, text: str | None) -> None:
        """Puts `text` in the place of all lines that hold a value, None to remove them."""
        for index in option.lines:
            self.remove(index)
        if text:
            self.changed[option.lines[0]] = text

    def insert(self, section: IniSection, values: Mapping[str, str]) -> None:
        """Adds keys at the end of a section, as far in as the keys above them."""
        if section.options:
            indent = section.options[-1].indent
        else:
            # The next header, if it stood further in than our keys, would belong to their value.
            below = [other for other in self.ini.sections if other.line > section.line][:1]
            indent = max((each.indent for each in (section, *below)), key=len)
        end = line_end(self.ini.lines, section.last_line)
        text = "".join(f"{indent}{key} = {value}{end}" for key, value in values.items())
        self.inserted[section.last_line] = text

    def text(self) -> str:
        """The whole file. Only its last line may go without an end."""
        last = len(self.ini.lines) - 1
        parts = []
        for index, line in enumerate(self.ini.lines):
            part, more = self.changed.get(index, line), self.inserted.get(index, "")
            if part and not part.endswith(_ENDS) and (more or index != last):
                part += line_end(self.ini.lines, index)
            parts.append(part + more)
        return "".join(parts)


def line_end(lines: Sequence[str], index: int) -> str:
    """How line `index` ends, or where it does not, how the first one does."""
    for line in (*lines[index : index + 1], *lines[:1]):
        if end := line[len(line.rstrip("\r\n")) :]:
            return end
    return "\n"
