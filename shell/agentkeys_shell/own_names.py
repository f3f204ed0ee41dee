"""`exec --set NAME=FIELD`: what a run is given, under names that the program itself has chosen.

Imports nothing that a program under exec would have to wait for.
"""

from __future__ import annotations

from agentkeys_shell.environment import parse_entries

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["FIELDS", "own_names", "parse_settings"]

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


def _why_missing(field: str) -> str:
    if field == "endpoint":
        return "AWS finds its own; other stores have an s3_endpoint in the configuration"
    return f"set {field} in the profile"


def _wrong(message: str, hint: str) -> Exception:
    from agentkeys.errors import AgentkeysError  # noqa: PLC0415 - costs what failing costs

    return AgentkeysError(message, hint=hint)
