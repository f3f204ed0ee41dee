"""`agentkeys prompt`, as click sees it: help, mistakes, and the same work as the fast path."""

from __future__ import annotations

import click

from agentkeys_shell.fast_options import fast_options
from agentkeys_shell.prompt_segment import FIELDS, print_segment, unknown_field


class _UnknownField(click.UsageError):
    hint = f"write {', '.join(f'{{{name}}}' for name in FIELDS)} as they are"


@click.command(
    "prompt",
    epilog="A template may hold {profile}, {who}, {left} (such as 42m, or nothing) and {state} "
    "(valid, expired, login or none). To have it in a prompt, see: agentkeys hook --help",
)
@fast_options("prompt")
def command(profile: str | None, format: str | None) -> int:  # noqa: A002 - the option's name
    """Print how long the credentials last, for a shell's prompt.

    Such as `data 42m`, `data expired`, or `data !login` when somebody has to log in. Where the
    shell itself was started by `agentkeys exec`, it is about the credentials in its environment.

    Prints nothing, with status 0, when no daemon runs, when it does not answer at once, and when
    nothing is configured: `agentkeys status` tells more. Never starts a daemon.
    """
    if format is not None and (unknown := unknown_field(format)):
        raise _UnknownField(f"the template's {{{unknown}}} is not known")
    return print_segment(profile, format) or 0
