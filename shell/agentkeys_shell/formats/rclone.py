"""A remote for rclone, called like the profile: `eval "$(agentkeys env --format rclone)"`.

Then `rclone ls "sandbox:$AGENTKEYS_S3_BUCKET/$AGENTKEYS_S3_PREFIX"`. rclone finds the remote NAME
in variables RCLONE_CONFIG_NAME_…, in upper case, which count more than its own file.
"""

from __future__ import annotations

from agentkeys_shell.formats import PLACE
from agentkeys_shell.formats.endpoints import is_aws, s3_endpoint
from agentkeys_shell.formats.sh import assign

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["remote_name", "render"]


def render(given: Mapping[str, str], environ: Mapping[str, str]) -> str:
    """Commands for sh that set the remote, and where its user lives."""
    start = f"RCLONE_CONFIG_{remote_name(given['AGENTKEYS_PROFILE']).upper()}_"
    variables = {start + key: value for key, value in _remote(given).items()}
    # rclone 1.60 asks for the bucket before it writes, which is not for a confined user to know.
    variables["RCLONE_S3_NO_CHECK_BUCKET"] = "true"
    variables |= {name: given[name] for name in PLACE if name in given}
    return assign(variables, [name for name in PLACE if name in environ and name not in given])


def remote_name(profile: str) -> str:
    """The profile's name with `_` for what a shell's variables cannot have in theirs."""
    return "".join(char if char.isalnum() else "_" for char in profile)


def _remote(given: Mapping[str, str]) -> dict[str, str]:
    endpoint = s3_endpoint(given)
    return {
        "TYPE": "s3",
        "PROVIDER": "AWS" if is_aws(endpoint) else "Other",
        "ENV_AUTH": "false",
        "ACCESS_KEY_ID": given["AWS_ACCESS_KEY_ID"],
        "SECRET_ACCESS_KEY": given["AWS_SECRET_ACCESS_KEY"],
        "SESSION_TOKEN": given["AWS_SESSION_TOKEN"],
        "REGION": given["AWS_REGION"],
        # Never left out: RCLONE_S3_ENDPOINT would lead the session token elsewhere.
        "ENDPOINT": endpoint,
        "NO_CHECK_BUCKET": "true",
    }
