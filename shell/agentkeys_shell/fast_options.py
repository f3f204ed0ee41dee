"""Builds click options from the table that the fast parser reads."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import click

from agentkeys_shell.options import FAST_COMMANDS

__all__ = ["fast_options", "given", "refuse_empty"]


def fast_options(command: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Decorates a click command with the options that the table has for it."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed(FAST_COMMANDS[command]):
            function = click.option(
                *option.spellings,
                option.key,
                # An explicit False would let click take the option without its value.
                is_flag=True if option.value is None else None,
                multiple=option.several,
                metavar=option.value,
                callback=None if option.value is None else _one_value,
                help=option.help,
            )(function)
        return function

    return decorate


def given(options: Mapping[str, str | bool | None]) -> dict[str, str]:
    """What click has read, in the form that the fast parser gives it."""
    return {
        key: "yes" if value is True else str(value)
        for key, value in options.items()
        if value not in (None, False)
    }


def _one_value(
    context: click.Context, parameter: click.Parameter, value: str | tuple[str, ...] | None
) -> str | None:
    """The value as the fast parser gives it: several in one text, with NULs between them."""
    if not isinstance(value, tuple):
        return refuse_empty(context, parameter, value)
    for each in value:
        refuse_empty(context, parameter, each)
    return "\0".join(value) or None


def refuse_empty(_: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    """An empty value comes from an unset shell variable and must not mean the default."""
    if value == "":
        raise click.BadParameter("it is empty", param=parameter)
    return value
