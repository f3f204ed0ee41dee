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
    """One option: its spellings, its value's name (None for a switch) and its help.

    One that is `several` may be given more than once.
    """

    __slots__ = ("help", "key", "several", "spellings", "value")

    def __init__(
        self,
        *spellings: str,
        value: str | None,
        help: str,  # noqa: A002
        several: bool = False,
    ) -> None:
        self.spellings = spellings
        self.key = spellings[0].lstrip("-").replace("-", "_")
        self.value = value
        self.help = help
        self.several = several


_PROFILE = FastOption(
    "--profile", "-p", value="PROFILE", help="The profile to use (AGENTKEYS_PROFILE)."
)
_JSON = FastOption("--json", value=None, help="Print JSON, for programs.")

_EXEC = (
    _PROFILE,
    FastOption(
        "--refresh",
        value=None,
        help="Give credentials that stay fresh, for jobs longer than a lease.",
    ),
    FastOption(
        "--allow",
        value="RULE",
        several=True,
        help="Allow no more than this, such as s3://bucket/prefix/:ro; several add up.",
    ),
    FastOption("--read-only", value=None, help="Allow no writing."),
    FastOption(
        "--legacy-mint",
        value="URL:TOKEN",
        help="Answer a program that calls the broker's old POST /v1/mint-aws-creds; names the"
        " variables that it reads, such as BROKER_URL:BROKER_TOKEN.",
    ),
    FastOption(
        "--break-glass",
        value=None,
        help="Use a profile that is served in no other way, for 15 minutes, from a terminal.",
    ),
    FastOption("--reason", value="TEXT", help="Why, for the ledger; goes with --break-glass."),
    FastOption(
        "--set",
        value="NAME=FIELD",
        several=True,
        help="Give a field, such as access_key_id, under a name of the program's own.",
    ),
    FastOption(
        "--keep-env",
        value="NAME",
        several=True,
        help="Keep a variable that the program would not inherit.",
    ),
    FastOption(
        "--inherit-aws",
        value=None,
        help="Let the program see the AWS settings and files that are yours.",
    ),
    FastOption(
        "--no-subreaper",
        value=None,
        help="Leave orphans of the program to the system, for one that would reap them.",
    ),
    FastOption(
        "--explain",
        value=None,
        help="Print what would change in the environment, without secrets, and run nothing.",
    ),
    FastOption("--json", value=None, help="Print that as JSON, for programs."),
)

FAST_COMMANDS: dict[str, tuple[FastOption, ...]] = {
    "exec": _EXEC,
    "credential-process": (_PROFILE,),
    "env": (
        _PROFILE,
        FastOption(
            "--format",
            value="FORMAT",
            help="sh (the default), fish, powershell, dotenv, json, rclone or mc.",
        ),
    ),
    "prompt": (
        _PROFILE,
        FastOption("--format", value="TEMPLATE", help="Such as '{profile} {left}'."),
    ),
    "status": (_PROFILE, _JSON),
    "hook": (),
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
        if option is None or (equals and not name.startswith("--")):
            return None
        before = given.get(option.key)
        if before is not None and not option.several:
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
        given[option.key] = value if before is None else f"{before}\0{value}"
    return given, list(arguments[position:])
