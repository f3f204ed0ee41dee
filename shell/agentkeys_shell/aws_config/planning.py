"""Decides what a configuration file becomes: pure, from its text and from what we did to it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from agentkeys_shell.aws_config.botocore_view import check_edit, why_refused
from agentkeys_shell.aws_config.editing import OwnSection, set_keys, take_back
from agentkeys_shell.aws_config.ini import parse_ini
from agentkeys_shell.aws_config.memory import Memory, OwnProfile, baseline, remember
from agentkeys_shell.aws_config.outcome import Outcome, Section
from agentkeys_shell.aws_config.settings import AwsProfile, check_rivals, notes_about

__all__ = ["Plan", "plan_configure", "plan_undo"]


@dataclass(frozen=True, slots=True)
class Plan:
    """The file as it will be, and what to remember of it."""

    outcome: Outcome
    memory: Memory | None


def plan_configure(
    profiles: Sequence[AwsProfile], text: str | None, memory: Memory | None, *, file: object
) -> Plan:
    """`file` is what messages call it. Raises ConfigError, MalformedLine."""
    before = text or ""
    after, sections = before, []
    own = dict(memory.profiles) if memory else {}
    for profile in profiles:
        check_rivals(parse_ini(after), profile.name, file)
        known = own[profile.name].sections if profile.name in own else ()
        now, ours = set_keys(after, profile.name, profile.values, known)
        sections.append(_told(profile, after, now))
        own[profile.name] = OwnProfile(profile.profile, ours)
        after = now
    check_edit(before, after, [profile.name for profile in profiles])
    notes = tuple(_notes(profiles, before, after, file))
    if after == before:
        return Plan(Outcome(tuple(sections), text, text, notes=notes), memory)
    without_us, _ = baseline(text, memory)
    remembered = {name: kept for name, kept in own.items() if any(map(_is_any, kept.sections))}
    return Plan(
        Outcome(tuple(sections), text, after, notes=notes),
        remember(after, without_us, remembered),
    )


def plan_undo(
    is_meant: Callable[[str, OwnProfile], bool], text: str | None, memory: Memory | None
) -> Plan:
    """Raises ConfigError, MalformedLine."""
    if memory is None:
        return Plan(Outcome((), text, text), None)
    without_us, exact = baseline(text, memory)
    meant = {name: own for name, own in memory.profiles.items() if is_meant(name, own)}
    rest = {name: own for name, own in memory.profiles.items() if name not in meant}
    if rest and text is not None:
        after: str | None = text
        for name, own in meant.items():
            after = take_back(after or "", name, own.sections)
        left = remember(after or "", without_us, rest) if after != text else memory
        exact = False
    else:
        after, left = without_us, None
    check_edit(text or "", after or "", list(memory.profiles))
    sections = [Section(name, own.profile, "removed") for name, own in meant.items()]
    return Plan(Outcome(tuple(sections), text, after, is_restored=exact and after != text), left)


def _told(profile: AwsProfile, before: str, after: str) -> Section:
    sections = parse_ini(before).of_profile(profile.name)
    if not sections:
        return Section(profile.name, profile.profile, "added")
    keys = tuple(
        key
        for key in profile.values
        if _values(before, profile.name, key) != _values(after, profile.name, key)
    )
    return Section(profile.name, profile.profile, "changed" if keys else "unchanged", keys)


def _values(text: str, name: str, key: str) -> list[list[str]]:
    sections = parse_ini(text).of_profile(name)
    return [[option.value for option in section.find(key)] for section in sections]


def _notes(profiles: Sequence[AwsProfile], before: str, after: str, file: object) -> Iterable[str]:
    if why := why_refused(before):
        yield f"boto3 and the AWS CLI refuse to read {file}: it {why}"
    ini = parse_ini(after)
    for profile in profiles:
        yield from notes_about(ini, profile)


def _is_any(section: OwnSection) -> bool:
    return section.made or bool(section.keys)
