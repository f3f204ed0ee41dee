"""`agentkeys hook`: the script that a shell reads when it starts, each time that one does."""

from __future__ import annotations

import posix

from agentkeys_shell.daemon import pass_on

__all__ = ["SHELLS", "print_hook"]

SHELLS = ("bash", "zsh", "fish")


def print_hook(shell: str) -> int | None:
    """Prints the script as it is; None for a shell that has none. Raises AgentkeysError."""
    if shell not in SHELLS:
        return None
    package = __file__.rpartition("/")[0]
    # In the package once it is installed, beside it in a checkout.
    for folder in (package, f"{package}/.."):
        script = _read(f"{folder}/hooks/agentkeys.{shell}")
        if script:
            return pass_on(script)
    from agentkeys.errors import AgentkeysError  # noqa: PLC0415 - costs what failing costs

    raise AgentkeysError(
        f"this installation lacks the hook for {shell}", hint="install agentkeys anew"
    )


def _read(path: str) -> bytes:
    """What the file holds; nothing where there is none."""
    try:
        descriptor = posix.open(path, posix.O_RDONLY | posix.O_CLOEXEC)
    except FileNotFoundError:
        return b""
    content = b""
    while piece := posix.read(descriptor, 65_536):
        content += piece
    posix.close(descriptor)
    return content
