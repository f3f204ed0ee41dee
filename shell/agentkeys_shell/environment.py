"""What a program under `exec` inherits, and what it does not.

Inherited AWS variables would win over the run's own credentials or mix with them: botocore reads
AWS_SECURITY_TOKEN before AWS_SESSION_TOKEN, AWS_PROFILE outranks keys in some SDKs, an endpoint
left over sends requests, and the session token in them, elsewhere. So the child starts from a clean
AWS surface. Imports nothing.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["child_environment", "is_inherited"]

HARMLESS = frozenset(
    {
        "AWS_CA_BUNDLE",
        "AWS_CLI_AUTO_PROMPT",
        "AWS_DEFAULT_OUTPUT",
        "AWS_EXECUTION_ENV",
        "AWS_MAX_ATTEMPTS",
        "AWS_PAGER",
        "AWS_REQUEST_CHECKSUM_CALCULATION",
        "AWS_RESPONSE_CHECKSUM_VALIDATION",
        "AWS_RETRY_MODE",
        "AWS_S3_US_EAST_1_REGIONAL_ENDPOINT",
        "AWS_STS_REGIONAL_ENDPOINTS",
        "AWS_USE_DUALSTACK_ENDPOINT",
        "AWS_USE_FIPS_ENDPOINT",
    }
)
"""AWS settings that a user keeps on purpose and that cannot change who the program is."""

_OURS = ("AGENTKEYS_SESSION", "AGENTKEYS_RUN", "AGENTKEYS_USER_WALLET", "AGENTKEYS_S3_")
_FOREIGN = ("AWS_", "BOTO_", "EC2_SECURITY_TOKEN")


def is_inherited(name: str) -> bool:
    """Whether a child gets to see a variable of its caller."""
    return name in HARMLESS or not name.startswith((*_FOREIGN, *_OURS))


def child_environment(inherited: Mapping[str, str], given: bytes) -> dict[str, str]:
    """The child's environment.

    `given` is the run's own, as `env -0` prints one.
    """
    environment = {name: value for name, value in inherited.items() if is_inherited(name)}
    for entry in given.split(b"\0"):
        name, equals, value = entry.decode("utf-8", "surrogateescape").partition("=")
        if equals:
            environment[name] = value
    return environment
