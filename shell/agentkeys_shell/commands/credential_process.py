"""`agentkeys credential-process`: the shim under the main program's name."""

from __future__ import annotations

import click

from agentkeys_shell.credential_process import print_document
from agentkeys_shell.fast_options import fast_options


@click.command(
    "credential-process",
    epilog="In ~/.aws/config: credential_process = /path/to/agentkeys-credential-process "
    "--profile NAME",
)
@fast_options("credential-process")
def command(profile: str | None) -> int:
    """Print the credentials of a profile as AWS clients ask for them.

    Writes the whole document to standard output, or nothing there and the reason to standard error.
    """
    return print_document(profile)
