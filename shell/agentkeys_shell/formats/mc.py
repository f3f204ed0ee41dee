"""An alias for MinIO's client, called like the profile: `eval "$(agentkeys env --format mc)"`.

Then `mc ls "sandbox/$AGENTKEYS_S3_BUCKET/$AGENTKEYS_S3_PREFIX"`. mc reads MC_HOST_ALIAS, which
looks like a URL and is none: it takes key, secret and token as they stand, up to the first colon,
the next one and the last `@`. Percent-encoded ones would fail as wrong signatures.
"""

from __future__ import annotations

from agentkeys_shell.formats import PLACE, unwritable
from agentkeys_shell.formats.endpoints import s3_endpoint
from agentkeys_shell.formats.rclone import remote_name
from agentkeys_shell.formats.sh import assign

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["render"]


def render(given: Mapping[str, str], environ: Mapping[str, str]) -> str:
    """Commands for sh that set the alias, and where its user lives."""
    variables = {f"MC_HOST_{remote_name(given['AGENTKEYS_PROFILE'])}": _host(given)}
    variables |= {name: given[name] for name in PLACE if name in given}
    return assign(variables, [name for name in PLACE if name in environ and name not in given])


def _host(given: Mapping[str, str]) -> str:
    parts = [
        _part(given, "AWS_ACCESS_KEY_ID", ":\n"),
        _part(given, "AWS_SECRET_ACCESS_KEY", ":\n"),
        _part(given, "AWS_SESSION_TOKEN", "\n"),
    ]
    endpoint = s3_endpoint(given).rstrip("/")
    scheme, _, host = endpoint.partition("://")
    # mc refuses a path, and would look for the host behind the last @.
    for char in "/@?#":
        if char in host:
            raise unwritable("AWS_ENDPOINT_URL_S3", repr(char), "mc")
    return f"{scheme}://{':'.join(parts)}@{host}"


def _part(given: Mapping[str, str], name: str, unwanted: str) -> str:
    value = given[name]
    for char in unwanted:
        if char in value:
            raise unwritable(name, repr(char), "mc")
    return value
