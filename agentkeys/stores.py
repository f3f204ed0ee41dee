"""The kinds of store we serve, and how their STS differ, error codes aside.

One constant for each kind; a difference that a caller has to know is a field here, so that no
other module asks for a store by name.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from datetime import timedelta

from agentkeys.claims import WALLET_CLAIM
from agentkeys.errors import ConfigError
from agentkeys.models import Confinement

__all__ = [
    "AWS",
    "CEPH",
    "MINIO",
    "SEAWEEDFS",
    "STORE_KINDS",
    "StoreKind",
    "parse_store_kind",
    "sts_endpoint",
]


@dataclass(frozen=True, slots=True)
class StoreKind:
    """What every store of one kind has in common."""

    name: str
    title: str
    """The name as its makers write it."""
    default_confine: Confinement
    """How it keeps a user to their prefix, unless the profile says otherwise."""
    needs_endpoint: bool
    """Whether its STS can be anywhere, so that the configuration must say where."""
    needs_role_arn: bool
    takes_policy: bool
    """Where not, a session policy would be dropped in silence and the session come out too wide."""
    takes_policy_arns: bool
    """Where not, PolicyArns would be dropped in silence and the session come out too wide."""
    min_duration: timedelta
    """The least DurationSeconds that is not refused."""
    max_duration: timedelta
    """The greatest; a role, or the server's settings, may allow less."""


AWS = StoreKind(
    name="aws",
    title="AWS",
    default_confine=Confinement("tags"),
    needs_endpoint=False,
    needs_role_arn=True,
    takes_policy=True,
    takes_policy_arns=True,
    min_duration=timedelta(minutes=15),
    max_duration=timedelta(hours=12),
)
MINIO = StoreKind(
    name="minio",
    title="MinIO",
    default_confine=Confinement("claim", "preferred_username"),
    needs_endpoint=True,
    needs_role_arn=False,
    takes_policy=True,
    takes_policy_arns=False,
    min_duration=timedelta(minutes=15),
    max_duration=timedelta(days=365),
)
CEPH = StoreKind(
    name="ceph",
    title="Ceph",
    default_confine=Confinement("tags"),
    needs_endpoint=True,
    needs_role_arn=True,
    takes_policy=True,
    takes_policy_arns=False,
    min_duration=timedelta(minutes=15),
    max_duration=timedelta(hours=12),
)
SEAWEEDFS = StoreKind(
    name="seaweedfs",
    title="SeaweedFS",
    default_confine=Confinement("claim", WALLET_CLAIM),
    needs_endpoint=True,
    needs_role_arn=True,
    takes_policy=True,
    takes_policy_arns=False,
    min_duration=timedelta(minutes=15),
    max_duration=timedelta(hours=12),
)
STORE_KINDS = {kind.name: kind for kind in (AWS, MINIO, CEPH, SEAWEEDFS)}


def parse_store_kind(name: str) -> StoreKind:
    """The kind called `name`; raises ConfigError with the nearest known one."""
    if kind := STORE_KINDS.get(name):
        return kind
    near = difflib.get_close_matches(name.lower(), STORE_KINDS, n=1)
    hint = f'did you mean "{near[0]}"?' if near else f"use one of {', '.join(STORE_KINDS)}"
    raise ConfigError(f"{name!r} is not a kind of store", hint=hint)


_REGION = re.compile(r"[a-z]{2,4}(-[a-z]+)+-[0-9]{1,2}")

# Region prefix, domain, dual-stack domain: the partitions that the AWS SDKs list, less the ones
# that the public internet does not reach. The first prefix that fits counts.
_PARTITIONS = (
    ("cn-", "amazonaws.com.cn", "api.amazonwebservices.com.cn"),
    ("eusc-", "amazonaws.eu", "api.amazonwebservices.eu"),
    ("", "amazonaws.com", "api.aws"),
)


def sts_endpoint(
    kind: StoreKind, region: str, *, fips: bool = False, dual_stack: bool = False
) -> str:
    """The URL of the regional STS of AWS.

    Raises ConfigError for a kind whose endpoint must be configured and for what is no region.
    """
    if kind.needs_endpoint:
        raise ConfigError(
            f"a store of kind {kind.name} has no sts_endpoint",
            hint="set sts_endpoint to the URL of its STS, which is often that of its S3",
        )
    if not _REGION.fullmatch(region):
        raise ConfigError(f"{region!r} is not an AWS region", hint="write it as us-east-1")
    plain, dual = next(ends for start, *ends in _PARTITIONS if region.startswith(start))
    # GovCloud's plain endpoints are FIPS ones and have no name of their own for it.
    fips = fips and (dual_stack or not region.startswith("us-gov-"))
    return f"https://sts{'-fips' if fips else ''}.{region}.{dual if dual_stack else plain}"
