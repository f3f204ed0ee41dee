"""Which words may come next on a command line.

A value is offered by what the help calls it, such as PROFILE: a command that names its values like
the others needs nothing more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import click

from agentkeys_shell.cli import COMMANDS, agentkeys
from agentkeys_shell.completions import names
from agentkeys_shell.completions.position import Position
from agentkeys_shell.formats import FORMATS
from agentkeys_shell.own_names import FIELDS

__all__ = ["AnotherProgram", "Offer", "find_offers"]

_SHIM = "agentkeys-credential-process"
_VALUES: Mapping[str, Callable[[], names.Names]] = {
    "PROFILE": names.profiles,
    "IDENTITY": names.identities,
    "ID": names.runs,
    "FORMAT": lambda: dict.fromkeys(FORMATS, ""),
}


@dataclass(frozen=True, slots=True)
class Offer:
    """A word that would do, and what it is good for."""

    word: str
    help: str = ""


@dataclass(frozen=True, slots=True)
class AnotherProgram:
    """The rest of the line is that of another program, as after `exec --`."""

    first: int
    """The place of its name among the words."""


def find_offers(words: Sequence[str]) -> list[Offer] | AnotherProgram:
    """What can stand in the last word's place and begins as it does.

    `words` begin with the program's own name.
    """
    program, *before, current = words
    position = Position(agentkeys)
    if program.rpartition("/")[2] == _SHIM:
        position.take("credential-process")
    for place, word in enumerate(before, start=1):
        if position.is_at_program(word):
            return AnotherProgram(place)
        position.take(word)
    if position.is_at_program(current):
        return AnotherProgram(len(before) + 1)
    return [offer for offer in _offers(position, current) if offer.word.startswith(current)]


def _offers(position: Position, current: str) -> Iterator[Offer]:
    if position.is_lost:
        return
    if position.waiting:
        yield from _values(position, position.waiting, current)
    elif current.startswith("-") and not position.only_arguments:
        yield from _options(position, current)
    elif position.group:
        yield from _commands(position, position.group)
    elif position.argument:
        yield from _values(position, position.argument, current)
    elif not position.only_arguments:
        yield from _options(position, current)


def _options(position: Position, current: str) -> Iterator[Offer]:
    name, equals, value = current.partition("=")
    if not equals:
        for option in position.options():
            yield from (Offer(spelling, option.help or "") for spelling in option.opts)
    elif name.startswith("--") and (found := position.option(name)):
        for offer in _values(position, found, value):
            yield Offer(f"{name}={offer.word}", offer.help)


def _commands(position: Position, group: click.Group) -> Iterator[Offer]:
    if group is agentkeys:
        # Each of these would have to be imported for its help.
        yield from (Offer(name, words) for name, words in COMMANDS.items())
        return
    for name in group.list_commands(position.context):
        command = group.get_command(position.context, name)
        if command and not command.hidden:
            yield Offer(name, command.get_short_help_str(80))


def _values(position: Position, parameter: click.Parameter, current: str) -> Iterator[Offer]:
    called = parameter.metavar if isinstance(parameter, click.Option) else parameter.name
    if called == "NAME=FIELD":
        name, equals, _ = current.partition("=")
        yield from (Offer(f"{name}={each}") for each in FIELDS if equals)
        return
    find = _VALUES.get((called or "").upper())
    if find:
        yield from (Offer(word, words) for word, words in find().items())
        return
    for item in parameter.shell_complete(position.context, current):
        if item.type == "plain":
            yield Offer(item.value, item.help or "")
