"""What a run is given under names that the program itself has chosen.

`exec --set NAME=FIELD` and `exec --legacy-mint URL_VARIABLE:TOKEN_VARIABLE`. Imports nothing that a
program under exec would have to wait for.
"""

from __future__ import annotations

from agentkeys.variable_names import is_variable_name, may_lead_to_mint
from agentkeys_shell.environment import parse_entries

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["FIELDS", "check_apart", "own_names", "parse_minting", "parse_settings"]

FIELDS = {
    "access_key_id": "AWS_ACCESS_KEY_ID",
    "secret_access_key": "AWS_SECRET_ACCESS_KEY",
    "session_token": "AWS_SESSION_TOKEN",
    "expiration": "AWS_CREDENTIAL_EXPIRATION",
    "region": "AWS_REGION",
    "endpoint": "AWS_ENDPOINT_URL_S3",
    "bucket": "AGENTKEYS_S3_BUCKET",
    "prefix": "AGENTKEYS_S3_PREFIX",
}
"""The variable that holds each field."""
_KEYS = ("access_key_id", "secret_access_key", "session_token", "expiration")


def parse_settings(settings: Iterable[str], *, has_keys: bool) -> dict[str, str]:
    """Which field each name stands for; raises AgentkeysError for one that does not exist.

    With the endpoint instead of fixed keys, a run has no `has_keys`.
    """
    wanted = {}
    for setting in settings:
        name, equals, field = setting.partition("=")
        if not equals or not name or field not in FIELDS:
            raise _wrong(
                f"--set {setting!r} is not NAME=FIELD", f"the fields are {', '.join(FIELDS)}"
            )
        if field in _KEYS and not has_keys:
            raise _wrong(
                f"the run has no {field} to set as {name}",
                "fixed keys and --refresh exclude each other: leave one of them out",
            )
        wanted[name] = field
    return wanted


def own_names(wanted: dict[str, str], given: bytes) -> dict[str, str]:
    """The variables to set; raises AgentkeysError where the run has no such field."""
    fields = dict(parse_entries(given))
    variables = {}
    for name, field in wanted.items():
        value = fields.get(FIELDS[field])
        if value is None:
            raise _wrong(f"the run has no {field} to set as {name}", _why_missing(field))
        variables[name] = value
    return variables


def parse_minting(names: str) -> tuple[str, str]:
    """The variables for the URL and for the token; raises AgentkeysError for what names none."""
    url, colon, token = names.partition(":")
    if not colon or not is_variable_name(url) or not is_variable_name(token):
        raise _wrong(
            f"--legacy-mint {names!r} is not URL_VARIABLE:TOKEN_VARIABLE",
            "name the variables that the program reads, such as BROKER_URL:BROKER_TOKEN",
        )
    for name in (url, token):
        if not may_lead_to_mint(name):
            raise _wrong(
                f"{name} has a meaning of its own to AWS clients or to agentkeys",
                "have the program read another variable, and name that with --legacy-mint",
            )
    if url == token:
        raise _wrong(
            f"--legacy-mint names {url} for the URL and for the token", "name two variables"
        )
    return url, token


def check_apart(minting: Iterable[str], settings: Iterable[str]) -> None:
    """Raises AgentkeysError where a name of --legacy-mint is one of --set as well."""
    for taken in {setting.partition("=")[0] for setting in settings}.intersection(minting):
        raise _wrong(
            f"--legacy-mint and --set both name {taken}", "choose another name in one of them"
        )


def _why_missing(field: str) -> str:
    if field == "endpoint":
        return "AWS finds its own; other stores have an s3_endpoint in the configuration"
    return f"set {field} in the profile"


def _wrong(message: str, hint: str) -> Exception:
    from agentkeys.errors import AgentkeysError  # noqa: PLC0415 - costs what failing costs

    return AgentkeysError(message, hint=hint)
