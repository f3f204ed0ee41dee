"""Sets keys of a profile's sections and takes them back; all other lines stay as they are.

Texts are the file's bytes, decoded so that whatever is not UTF-8 survives. What was done is
returned as plain data, so that it can be taken back after other changes of the file as well.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest

from agentkeys_shell.aws_config.ini import BOM, Ini, IniOption, IniSection, parse_ini
from agentkeys_shell.aws_config.line_edits import LineEdits, line_end

__all__ = ["OwnSection", "Written", "set_keys", "take_back"]


@dataclass(frozen=True, slots=True)
class Written:
    """A value of ours."""

    value: str
    was: tuple[str, ...] = ()
    """The lines that said it before, a text for each time that the section had the key."""


@dataclass(frozen=True, slots=True)
class OwnSection:
    """What is ours of one section of a profile."""

    keys: Mapping[str, Written]
    made: bool = False
    """Whether the section itself is ours."""
    gap: bool = False
    """Whether the blank line above it is."""


def set_keys(
    text: str, name: str, values: Mapping[str, str | None], own: Sequence[OwnSection] = ()
) -> tuple[str, tuple[OwnSection, ...]]:
    """`text` with `values` in every section of the profile `name`, and what of it is ours.

    There is more than one section where a file has it twice; clients disagree which of them counts.
    A section is added where there is none. A value of None means that the key is taken back if it
    is ours. `own` is what was ours before. Raises MalformedLine.
    """
    ini = parse_ini(text)
    sections = ini.of_profile(name)
    if not sections:
        return _add_section(ini.lines, name, values)
    edit = LineEdits(ini)
    changed = [
        _set_in_section(edit, section, values, _nth(own, number))
        for number, section in enumerate(sections)
    ]
    return edit.text(), tuple(changed)


def take_back(text: str, name: str, own: Sequence[OwnSection]) -> str:
    """`text` without what is ours of the profile `name`: keys that still have the value we gave.

    A key that said something else before says so again. A section of ours goes when nothing else
    is in it. Raises MalformedLine.
    """
    ini = parse_ini(text)
    edit = LineEdits(ini)
    for number, section in enumerate(ini.of_profile(name)):
        ours = _nth(own, number)
        for key, written in ours.keys.items():
            _take_back_key(edit, section, key, written)
        kept = [option for option in section.options if option.lines[0] not in edit.removed]
        if ours.made and not kept:
            edit.remove(section.line)
            above = section.line - 1
            if ours.gap and above >= 0 and not ini.lines[above].strip():
                edit.remove(above)
    return edit.text()


def _add_section(
    lines: list[str], name: str, values: Mapping[str, str | None]
) -> tuple[str, tuple[OwnSection, ...]]:
    end = line_end(lines, len(lines) - 1)
    header = "[default]" if name == "default" else f"[profile {name}]"
    given = {key: value for key, value in values.items() if value is not None}
    gap = bool(lines and lines[-1].removeprefix(BOM).strip())
    above = "".join(lines)
    if above and not above.endswith(("\r", "\n")):
        above += end
    added = [header, *(f"{key} = {value}" for key, value in given.items())]
    text = above + (end if gap else "") + "".join(line + end for line in added)
    keys = {key: Written(value) for key, value in given.items()}
    return text, (OwnSection(keys, made=True, gap=gap),)


def _set_in_section(
    edit: LineEdits, section: IniSection, values: Mapping[str, str | None], own: OwnSection
) -> OwnSection:
    keys = dict(own.keys)
    missing = {}
    for key, value in values.items():
        found = section.find(key)
        if value is None:
            if key in keys:
                _take_back_key(edit, section, key, keys.pop(key))
        elif not found:
            missing[key] = value
            keys[key] = Written(value)
        elif any(option.value != value for option in found):
            keys[key] = Written(value, _was(edit.ini, found, keys.get(key)))
            for option in found:
                edit.set_value(option, value)
    if missing:
        edit.insert(section, missing)
    return replace(own, keys=keys)


def _was(ini: Ini, found: Sequence[IniOption], written: Written | None) -> tuple[str, ...]:
    """What stood there before us, or what the user has written over it since."""
    if written and all(option.value == written.value for option in found):
        return written.was
    return tuple("".join(ini.lines[index] for index in option.lines) for option in found)


def _take_back_key(edit: LineEdits, section: IniSection, key: str, written: Written) -> None:
    for option, was in zip_longest(section.find(key), written.was):
        if option and option.value == written.value:
            edit.put(option, was)


def _nth(own: Sequence[OwnSection], number: int) -> OwnSection:
    return own[number] if number < len(own) else OwnSection({})
