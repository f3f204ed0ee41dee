"""Builds click options from the table that the fast parser reads."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from agentkeys_shell.options import FAST_COMMANDS

__all__ = ["fast_options", "refuse_empty"]


def fast_options(command: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Decorates a click command with the options that the table has for it."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed(FAST_COMMANDS[command]):
            function = click.option(
                *option.spellings,
                option.key,
                # An explicit False would let click take the option without its value.
                is_flag=True if option.value is None else None,
                metavar=option.value,
                callback=None if option.value is None else refuse_empty,
                help=option.help,
            )(function)
        return function

    return decorate


def refuse_empty(_: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    """An empty value comes from an unset shell variable and must not mean the default."""
    if value == "":
        raise click.BadParameter("it is empty", param=parameter)
    return value
