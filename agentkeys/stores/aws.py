"""AWS. Codes and limits are those of its API reference, endpoints those that its SDKs resolve."""

from __future__ import annotations

import re
from datetime import timedelta

from agentkeys.errors import ConfigError
from agentkeys.models import Confinement
from agentkeys.stores.cases import Case, Rule
from agentkeys.stores.kind import StoreKind

__all__ = ["AWS"]

_REGION = re.compile(r"[a-z]{2,4}(-[a-z]+)+-[0-9]{1,2}")

# Region prefix, domain, dual-stack domain: the partitions that the AWS SDKs list, less the ones
# that the public internet does not reach. The first prefix that fits counts.
_PARTITIONS = (
    ("cn-", "amazonaws.com.cn", "api.amazonwebservices.com.cn"),
    ("eusc-", "amazonaws.eu", "api.amazonwebservices.eu"),
    ("", "amazonaws.com", "api.aws"),
)


def _regional_sts(region: str, fips: bool, dual_stack: bool) -> str:
    if not _REGION.fullmatch(region):
        raise ConfigError(f"{region!r} is not an AWS region", hint="write it as us-east-1")
    plain, dual = next(ends for start, *ends in _PARTITIONS if region.startswith(start))
    # GovCloud's plain endpoints are FIPS ones and have no name of their own for it.
    fips = fips and (dual_stack or not region.startswith("us-gov-"))
    return f"https://sts{'-fips' if fips else ''}.{region}.{dual if dual_stack else plain}"


AWS = StoreKind(
    name="aws",
    title="AWS",
    regional_sts=_regional_sts,
    needs_role_arn=True,
    takes_policy=True,
    takes_policy_arns=True,
    min_duration=timedelta(minutes=15),
    max_duration=timedelta(hours=12),
    clamps_duration=False,
    algorithms=frozenset({"RS256", "RS384", "RS512", "ES256", "ES384", "ES512"}),
    needs_key_id=False,
    default_confine=Confinement("tags"),
    tag_variable="${aws:PrincipalTag/NAME}",
    rules=(
        Rule(Case.KEYS_UNREACHABLE, "InvalidIdentityToken", ("retrieve verification key",)),
        Rule(Case.WRONG_AUDIENCE, "InvalidIdentityToken", ("audience",)),
        Rule(Case.UNKNOWN_PROVIDER, "InvalidIdentityToken", ("no openidconnect provider",)),
        Rule(Case.TOKEN_INVALID, "InvalidIdentityToken"),
        Rule(Case.KEYS_UNREACHABLE, "IDPCommunicationError"),
        Rule(Case.TAG_SESSION, "AccessDenied", ("sts:tagsession",)),
        Rule(Case.NOT_TRUSTED, "AccessDenied"),
        Rule(Case.CLAIM_REFUSED, "IDPRejectedClaim"),
        Rule(Case.DURATION, "ValidationError", ("durationseconds",)),
        Rule(Case.BAD_REQUEST, "ValidationError"),
        Rule(Case.REGION_OFF, "RegionDisabledException"),
    ),
    dead_session="ExpiredToken",
)
