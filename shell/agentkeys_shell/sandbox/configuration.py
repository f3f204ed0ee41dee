"""The configuration that a sandbox brings along: a profile for each of its made-up users."""

from __future__ import annotations

from collections.abc import Sequence

from agentkeys.errors import SandboxError
from agentkeys.sandbox_record import SandboxUser
from agentkeys_shell.sandbox.iam import BUCKET, ROLE_ARN

__all__ = ["PROFILE", "build_configuration", "made_up_users"]

PROFILE = "sandbox"
_NAMES = ("alice", "bob", "carol", "dave", "erin", "frank", "grace", "heidi", "ivan", "judy")
_MOST_USERS = 100


def made_up_users(count: int) -> tuple[SandboxUser, ...]:
    """The first `count` users, always the same; SandboxError unless it is 1 to 100.

    The first has the profile `sandbox`, the others `sandbox-NAME`. No mail reaches `.invalid`.
    """
    if not 1 <= count <= _MOST_USERS:
        raise SandboxError(
            f"a sandbox cannot have {count} users", hint=f"ask for 1 to {_MOST_USERS}"
        )
    return tuple(_user(number) for number in range(count))


def _user(number: int) -> SandboxUser:
    name = _NAMES[number] if number < len(_NAMES) else f"user{number + 1}"
    profile = PROFILE if number == 0 else f"{PROFILE}-{name}"
    return SandboxUser(name=name, email=f"{name}@sandbox.invalid", profile=profile)


def build_configuration(*, broker_url: str, store_url: str, users: Sequence[SandboxUser]) -> str:
    """A whole `config.toml`, in the ordinary grammar."""
    tables = [_identity(user, broker_url) + _profile(user) for user in users]
    return f'default_profile = "{PROFILE}"\n\n{_store(store_url)}{"".join(tables)}'


def _identity(user: SandboxUser, broker_url: str) -> str:
    return f"""
[identities.{user.profile}]
source = "sandbox"
url = "{broker_url}"
email = "{user.email}"
"""


def _profile(user: SandboxUser) -> str:
    return f"""
[profiles.{user.profile}]
identity = "{user.profile}"
store = "sandbox"
role_arn = "{ROLE_ARN}"
duration = "1h"
bucket = "{BUCKET}"
prefix = "bots/{{wallet}}/"
"""


def _store(url: str) -> str:
    return f"""[stores.sandbox]
kind = "seaweedfs"
sts_endpoint = "{url}"
s3_endpoint = "{url}"
region = "us-east-1"
"""
