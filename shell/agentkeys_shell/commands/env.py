"""`agentkeys env`, as click sees it: help, mistakes, and the same work as the fast path."""

from __future__ import annotations

import difflib

import click

from agentkeys_shell.fast_options import fast_options
from agentkeys_shell.formats import FORMATS
from agentkeys_shell.printing_env import print_environment


class _NoSuchFormat(click.UsageError):
    def __init__(self, name: str) -> None:
        super().__init__(f"there is no format {name!r}")
        near = difflib.get_close_matches(name.lower(), FORMATS, n=1)
        known = f"{', '.join(FORMATS[:-1])} or {FORMATS[-1]}"
        self.hint = f"did you mean {near[0]}?" if near else f"use {known}"


@click.command(
    "env",
    epilog='In sh, bash and zsh: eval "$(agentkeys env)". In fish: agentkeys env --format fish | '
    "source. The formats rclone and mc are for sh too, and give these programs a remote or an "
    "alias with the profile's name, in which - and . become _.",
)
@fast_options("env")
def command(profile: str | None, format: str | None) -> int:  # noqa: A002 - the option's name
    """Print the variables that exec would set, secrets included.

    For a shell it also unsets the AWS settings that would win over them or mix with them. They
    do not stay fresh: print them again before AWS_CREDENTIAL_EXPIRATION.
    """
    status = print_environment(profile, format)
    if status is None:
        raise _NoSuchFormat(str(format))
    return status
