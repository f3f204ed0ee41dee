"""What a program under `exec` inherits, and what it does not.

Inherited AWS variables would win over the run's own credentials or mix with them: botocore reads
AWS_SECURITY_TOKEN before AWS_SESSION_TOKEN, AWS_PROFILE outranks keys in some SDKs, an endpoint
left over sends requests, and the session token in them, elsewhere. So the child starts from a clean
AWS surface. What tokens are fetched with stays away too: who has it is no longer held to a run.
Imports nothing.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

__all__ = [
    "CLIENT_SECRET",
    "CREDENTIALS",
    "HARMLESS",
    "child_environment",
    "is_inherited",
    "parse_entries",
]

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

_OURS = (
    "AGENTKEYS_SESSION",
    "AGENTKEYS_SOCKET",
    "AGENTKEYS_RUN",
    "AGENTKEYS_USER_WALLET",
    "AGENTKEYS_S3_",
)
_FOREIGN = ("AWS_", "BOTO_", "EC2_SECURITY_TOKEN")
_TOKEN_REQUESTS = ("ACTIONS_ID_TOKEN_REQUEST_",)
"""With what GitHub Actions gives a token for any audience to whoever asks."""
CLIENT_SECRET = "AGENTKEYS_CLIENT_SECRET"  # noqa: S105 - a name
"""How the variables begin that hold an identity's secret. No child gets to see one."""

CREDENTIALS = frozenset(
    {
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "AWS_SECURITY_TOKEN",
        "AWS_CREDENTIAL_EXPIRATION",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI",
        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
        "EC2_SECURITY_TOKEN",
    }
)
"""What would mix with the run's own credentials."""
_SOURCES = frozenset(
    {
        "AWS_DEFAULT_PROFILE",
        "AWS_PROFILE",
        "AWS_ROLE_ARN",
        "AWS_ROLE_SESSION_NAME",
        "AWS_WEB_IDENTITY_TOKEN_FILE",
    }
)
"""Where some clients would look before they take the run's own credentials."""
_HERMETIC = ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE", "AWS_EC2_METADATA_DISABLED")
"""What a run is given so that it sees nothing else."""
_PROXIES = ("http_proxy", "https_proxy", "all_proxy")
_OURSELVES = ("127.0.0.1", "localhost")


def is_inherited(name: str, *, keep: Collection[str] = (), inherit_aws: bool = False) -> bool:
    """Whether a child gets to see a variable of its caller.

    `keep` are those that the user wants it to see; with `inherit_aws` it sees all AWS settings.
    """
    if name.startswith(CLIENT_SECRET):
        return False
    if name in keep or name in HARMLESS:
        return True
    if inherit_aws and name.startswith(_FOREIGN):
        return name not in CREDENTIALS | _SOURCES
    return not name.startswith((*_FOREIGN, *_OURS, *_TOKEN_REQUESTS))


def child_environment(
    inherited: Mapping[str, str],
    given: bytes,
    *,
    keep: Collection[str] = (),
    inherit_aws: bool = False,
) -> dict[str, str]:
    """The child's environment.

    `given` is the run's own, as `env -0` prints one.
    """
    environment = {
        name: value
        for name, value in inherited.items()
        if is_inherited(name, keep=keep, inherit_aws=inherit_aws)
    }
    own = [name for name in _HERMETIC if name in keep and name in inherited]
    left_out = _HERMETIC if inherit_aws else own
    environment |= {name: value for name, value in parse_entries(given) if name not in left_out}
    return environment | _past_proxies(environment)


def parse_entries(given: bytes) -> Iterator[tuple[str, str]]:
    """The variables in what `env -0` prints."""
    for entry in given.split(b"\0"):
        name, equals, value = entry.decode("utf-8", "surrogateescape").partition("=")
        if equals:
            yield name, value


def _past_proxies(environment: Mapping[str, str]) -> dict[str, str]:
    """Some clients would ask the proxy for what this machine itself gives, token and all."""
    if not any(environment.get(name) or environment.get(name.upper()) for name in _PROXIES):
        return {}
    changes = {}
    for name, other in (("NO_PROXY", "no_proxy"), ("no_proxy", "NO_PROXY")):
        hosts = environment.get(name) or environment.get(other) or ""
        named = [host.strip() for host in hosts.split(",") if host.strip()]
        if "*" not in named:
            missing = [host for host in _OURSELVES if host not in named]
            changes[name] = ",".join((*named, *missing))
    return changes
