"""What botocore, and with it boto3 and the AWS CLI, makes of a configuration file.

botocore reads it with Python's configparser, so we ask that: botocore itself is not needed.
"""

from __future__ import annotations

import configparser
from collections.abc import Collection, Mapping

from agentkeys.errors import ConfigError
from agentkeys_shell.aws_config.ini import BOM, profile_of
from agentkeys_shell.aws_config.settings import KEYS

__all__ = ["check_edit", "why_refused"]


def why_refused(text: str) -> str | None:
    """Why boto3 and the AWS CLI refuse a file that other clients may take; None if they do not."""
    if text.startswith(BOM):
        return "begins with a byte order mark"
    if any("\udc80" <= char <= "\udcff" for char in text):
        return "is not UTF-8"
    try:
        parser = _parse(text, strict=True)
    except configparser.DuplicateSectionError as problem:
        return f"has [{problem.section}] twice (line {problem.lineno})"
    except configparser.DuplicateOptionError as problem:
        return f"has {problem.option} twice (line {problem.lineno})"
    for section in parser.values():
        for key, value in section.items():
            if value.startswith("\n") and any(
                "=" not in line for line in value.split("\n") if line
            ):
                return f"has lines without = below {key} of [{section.name}]"
    return None


def check_edit(before: str, after: str, names: Collection[str]) -> None:
    """Raises ConfigError if an edit changes more than KEYS of the profiles `names` for a client.

    It never should. But it is the user's file, and what is asked here is not our own reading of it.
    """
    try:
        is_sound = _others(before, names) == _others(after, names)
    except configparser.Error:
        is_sound = False
    if not is_sound:
        raise ConfigError(
            "the file is written in a way that agentkeys cannot edit safely",
            hint="write the profile by hand: agentkeys credential-process --help shows the line",
        )


def _others(text: str, names: Collection[str]) -> Mapping[str, Mapping[str, str]]:
    """What is not ours, by sections."""
    found = {}
    for header, section in _parse(text, strict=False).items():
        is_ours = profile_of(header) in names
        values = {key: value for key, value in section.items() if not is_ours or key not in KEYS}
        if values or not is_ours:
            found[header] = values
    return found


def _parse(text: str, *, strict: bool) -> configparser.RawConfigParser:
    parser = configparser.RawConfigParser(strict=strict)
    parser.read_string(text.removeprefix(BOM).replace("\r\n", "\n").replace("\r", "\n"))
    return parser
