"""Builds click options from the table that the fast parser reads."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from agentkeys_shell.options import FAST_COMMANDS

__all__ = ["fast_options"]


def fast_options(command: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Decorates a click command with the options that the table has for it."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed(FAST_COMMANDS[command]):
            function = click.option(
                *option.spellings,
                option.key,
                is_flag=option.value is None,
                metavar=option.value,
                help=option.help,
            )(function)
        return function

    return decorate
