"""What a profile of ours needs in an AWS configuration file, and what there would defeat it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from agentkeys.errors import ConfigError, ProtocolError
from agentkeys_shell.aws_config.ini import Ini, MalformedLine, parse_ini

__all__ = ["KEYS", "AwsProfile", "check_rivals", "has_keys", "notes_about"]

KEYS = ("credential_process", "region", "endpoint_url")
"""What we write."""

# What AWS's own tools take for a name without quotes.
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@:/+%-]{0,127}")

_RIVALS = frozenset(
    {
        "aws_access_key_id",
        "aws_secret_access_key",
        "role_arn",
        "source_profile",
        "credential_source",
        "web_identity_token_file",
        "login_session",
    }
)
"""Other ways to credentials, which clients prefer to credential_process, as they do sso_*."""


@dataclass(frozen=True, slots=True)
class AwsProfile:
    """One profile as AWS clients are to see it."""

    name: str
    """Theirs."""
    profile: str
    """Ours."""
    command: str
    """What prints credentials; the same for all profiles."""
    region: str
    endpoint_url: str | None
    """None for AWS, whose clients know where it is."""

    @classmethod
    def of(cls, configured: Mapping[str, Any], *, command: str, name: str | None) -> AwsProfile:
        """From the daemon's list of what is configured. Raises ConfigError, ProtocolError."""
        if "s3_endpoint" not in configured:
            raise ProtocolError(
                "the daemon is of another version and does not tell where the store is",
                hint="run: agentkeys daemon restart",
            )
        return cls(
            _checked_name(name or configured["name"]),
            configured["name"],
            command,
            configured["region"],
            configured["s3_endpoint"],
        )

    @property
    def values(self) -> dict[str, str | None]:
        """The keys that it needs; None for one that must not be ours."""
        line = f"{self.command} --profile {self.profile}"
        return dict(zip(KEYS, (line, self.region, self.endpoint_url), strict=True))


def _checked_name(name: str) -> str:
    """Raises ConfigError for a name that would need quotes, which not every client knows."""
    if not _NAME.fullmatch(name):
        raise ConfigError(
            f"{name!r} is not a name that every AWS client can read",
            hint="use letters, digits, dot, dash, underscore",
        )
    return name


def check_rivals(ini: Ini, name: str, file: object) -> None:
    """Raises ConfigError where clients would find other credentials for `name` than ours.

    We would be asked for nothing, and whoever believed to be confined would not be.
    """
    # What stands in [DEFAULT], in capitals, configparser takes to stand in every section.
    everywhere = [section for section in ini.sections if section.header == "DEFAULT"]
    for section in (*ini.of_profile(name), *everywhere):
        for option in section.options:
            if option.key in _RIVALS or option.key.startswith("sso_"):
                raise ConfigError(
                    f"[{section.header}] in {file} has {option.key} (line {option.lines[0] + 1}),"
                    " which AWS clients prefer to credential_process",
                    hint="remove it there, or choose another name for the profile: --as NAME",
                )


def notes_about(ini: Ini, profile: AwsProfile) -> Iterator[str]:
    """What else in its sections may lead a client away from the store, a sentence each."""
    if profile.endpoint_url is None:
        return
    for section in ini.of_profile(profile.name):
        for option in section.options:
            defeats = option.key == "ignore_configured_endpoint_urls"
            if option.key == "services" or (defeats and option.value.lower() == "true"):
                yield (
                    f"[{section.header}] has {option.key}, which may send clients to another place"
                    f" than {profile.endpoint_url}"
                )


def has_keys(text: str, name: str) -> bool:
    """Whether a shared credentials file has anything for `name`; clients ask it first."""
    try:
        ini = parse_ini(text)
    except MalformedLine:
        return False
    return any(
        option.key in ("aws_access_key_id", "credential_process")
        for section in ini.sections
        if section.header.strip() == name
        for option in section.options
    )
