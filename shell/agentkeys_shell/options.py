"""The options of the commands that must be fast, as plain data.

The fast parser reads this table, and click's commands are built from it, so that both know the same
options. Imports nothing.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["FAST_COMMANDS", "FastOption", "parse_fast"]


class FastOption:
    """One option: its spellings, its value's name (None for a switch) and its help."""

    __slots__ = ("help", "key", "spellings", "value")

    def __init__(self, *spellings: str, value: str | None, help: str) -> None:  # noqa: A002
        self.spellings = spellings
        self.key = spellings[0].lstrip("-").replace("-", "_")
        self.value = value
        self.help = help


_PROFILE = FastOption(
    "--profile", "-p", value="PROFILE", help="The profile to use (AGENTKEYS_PROFILE)."
)
_JSON = FastOption("--json", value=None, help="Print JSON, for programs.")

FAST_COMMANDS: dict[str, tuple[FastOption, ...]] = {
    "exec": (_PROFILE,),
    "credential-process": (_PROFILE,),
    "status": (_PROFILE, _JSON),
}


def parse_fast(
    options: Sequence[FastOption], arguments: Sequence[str]
) -> tuple[dict[str, str], list[str]] | None:
    """The options given and what follows them; None where click has to look (help, mistakes)."""
    known = {spelling: option for option in options for spelling in option.spellings}
    given: dict[str, str] = {}
    position = 0
    while position < len(arguments):
        argument = arguments[position]
        position += 1
        if argument == "--":
            break
        if not argument.startswith("-") or argument == "-":
            position -= 1
            break
        name, equals, value = argument.partition("=")
        option = known.get(name)
        if option is None or option.key in given or (equals and not name.startswith("--")):
            return None
        if option.value is None:
            if equals:
                return None
            value = "yes"
        elif not equals:
            if position == len(arguments):
                return None
            value = arguments[position]
            position += 1
        if not value:
            return None
        given[option.key] = value
    return given, list(arguments[position:])
