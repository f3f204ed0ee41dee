"""How `agentkeys env` writes variables: a module for each format, with the format's name.

Each has a `render`: it takes the variables that `exec` would set, and the environment as it is, and
returns the text to print. It raises AgentkeysError for a value that its format cannot hold, rather
than write one that reads as another.
"""

from __future__ import annotations

from agentkeys_shell.environment import is_inherited

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from agentkeys.errors import AgentkeysError

    Render = Callable[[Mapping[str, str], Mapping[str, str]], str]

__all__ = ["FORMATS", "PLACE", "is_text", "load_render", "misleading_names", "unwritable"]

FORMATS = ("sh", "fish", "powershell", "dotenv", "json", "rclone", "mc")

PLACE = ("AGENTKEYS_S3_BUCKET", "AGENTKEYS_S3_PREFIX")
"""What a person types beside any client's own name for the store."""

_OF_A_USER = ("AGENTKEYS_USER_WALLET", *PLACE)


def load_render(name: str) -> Render:
    """The `render` of a format out of FORMATS; only its module is imported."""
    # By importlib it would cost more than all that is imported here.
    render: Render = __import__(f"agentkeys_shell.formats.{name}", fromlist=["render"]).render
    return render


def misleading_names(given: Mapping[str, str], environ: Mapping[str, str]) -> list[str]:
    """The variables of `environ` that would win over what is `given`, or mix with it.

    Names that no shell can have are left out: what they hold would be read as a command.
    """
    return sorted(
        name
        for name in environ
        if name not in given and _misleads(name) and name.isascii() and name.isidentifier()
    )


def _misleads(name: str) -> bool:
    if name in _OF_A_USER:
        return True
    # The settings of agentkeys itself are the shell's own, and the mark of a run is not to be lost.
    return not name.startswith("AGENTKEYS_") and not is_inherited(name)


def is_text(value: str) -> bool:
    """Whether a value is more than bytes; paths need not be."""
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def unwritable(name: str, what: str, format_name: str) -> AgentkeysError:
    """The refusal of a variable because of `what` is in its value, which is not shown."""
    from agentkeys.errors import AgentkeysError  # noqa: PLC0415 - costs what failing costs

    return AgentkeysError(
        f"{name} holds {what}, which cannot be written as {format_name}",
        hint="choose another --format, or run the program with: agentkeys exec",
    )
