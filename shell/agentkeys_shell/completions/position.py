"""How far the words before the cursor have led: into which command, past which options."""

from __future__ import annotations

from collections.abc import Iterator

import click

__all__ = ["Position"]


class Position:
    """A place on a command line that is still being typed; what is a mistake in it is passed over.

    click's own parser answers for whole lines only, and counts what follows `exec PROGRAM` in.
    """

    def __init__(self, command: click.Command) -> None:
        self.waiting: click.Option | None = None
        """The option whose value comes next."""
        self.only_arguments = False
        """Whether there was a `--`."""
        self.is_lost = False
        """Whether a word was no command, so that nobody knows what may follow."""
        self._used: set[click.Option] = set()
        self._arguments = 0
        self._enter(command, click.Context(command, **command.context_settings))

    def take(self, word: str) -> None:
        """Goes past a word."""
        if self.waiting:
            self.waiting = None
        elif self.only_arguments or not word.startswith("-") or word == "-":
            self._take_argument(word)
        elif word == "--":
            self.only_arguments = True
        else:
            self._take_option(word)

    def is_at_program(self, word: str) -> bool:
        """Whether `word`, coming next, names another program, whose line it is from there on."""
        if self.group or self.context.allow_interspersed_args or self.waiting:
            return False
        return self.only_arguments or not word.startswith("-")

    @property
    def group(self) -> click.Group | None:
        """The group whose command comes next."""
        return self.command if isinstance(self.command, click.Group) else None

    @property
    def argument(self) -> click.Argument | None:
        """The one that comes next."""
        known = [p for p in self._parameters if isinstance(p, click.Argument)]
        if self._arguments < len(known):
            return known[self._arguments]
        return known[-1] if known and known[-1].nargs < 0 else None

    def option(self, spelling: str) -> click.Option | None:
        """The option that is spelled so."""
        return next((option for option in self._options() if spelling in option.opts), None)

    def options(self) -> Iterator[click.Option]:
        """Those that may come: once each, unless they can be repeated."""
        return (option for option in self._options() if option not in self._used)

    def _options(self) -> Iterator[click.Option]:
        for parameter in self._parameters:
            if isinstance(parameter, click.Option) and not parameter.hidden:
                yield parameter

    def _enter(self, command: click.Command, context: click.Context) -> None:
        self.command = command
        self.context = context
        # Kept: click makes the one for --help anew each time.
        self._parameters = command.get_params(self.context)

    def _take_argument(self, word: str) -> None:
        if not self.group:
            self._arguments += 1
            return
        found = self.group.get_command(self.context, word)
        if found:
            context = click.Context(found, self.context, word, **found.context_settings)
            self._enter(found, context)
        else:
            self.is_lost = True

    def _take_option(self, word: str) -> None:
        name, has_value, _ = word.partition("=")
        if not word.startswith("--"):
            # As in -pdata.
            name, has_value = word[:2], word[2:]
        option = self.option(name)
        if option is None:
            return
        if not option.multiple:
            self._used.add(option)
        if not (option.is_flag or option.count or has_value):
            self.waiting = option
