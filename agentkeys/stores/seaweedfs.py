"""SeaweedFS, as measured with 4.48."""

from __future__ import annotations

from datetime import timedelta

from agentkeys.claims import WALLET_CLAIM
from agentkeys.models import Confinement
from agentkeys.stores.cases import Case, Rule
from agentkeys.stores.kind import StoreKind

__all__ = ["SEAWEEDFS"]

SEAWEEDFS = StoreKind(
    name="seaweedfs",
    title="SeaweedFS",
    needs_role_arn=True,
    takes_policy=True,
    takes_policy_arns=False,
    min_duration=timedelta(minutes=15),
    max_duration=timedelta(hours=12),
    clamps_duration=True,
    algorithms=frozenset({"RS256", "RS384", "RS512", "ES256", "ES384", "ES512"}),
    needs_key_id=True,
    # Its providers take any of a list, its conditions on oidc:aud none.
    reads_audiences="one",
    tells_without_role=True,
    default_confine=Confinement("claim", WALLET_CLAIM),
    claim_variable="${jwt:NAME}",
    rules=(
        Rule(Case.KEYS_UNREACHABLE, "AccessDenied", ("failed to fetch jwks",)),
        Rule(Case.KEYS_UNREACHABLE, "InvalidParameterValue", ("failed to fetch jwks",)),
        Rule(Case.UNKNOWN_PROVIDER, "AccessDenied", ("no identity provider registered",)),
        Rule(Case.KEY_UNKNOWN, "AccessDenied", ("not found in jwks",)),
        Rule(Case.TOKEN_INVALID, "AccessDenied", ("validate web identity token",)),
        Rule(Case.ROLE_UNKNOWN, "AccessDenied", ("role not found",)),
        Rule(Case.NOT_TRUSTED, "AccessDenied"),
        Rule(Case.WRONG_AUDIENCE, "InvalidParameterValue", ("invalid token audience",)),
        Rule(Case.NOT_YET_VALID, "InvalidParameterValue", ("not valid yet",)),
        Rule(Case.DURATION, "InvalidParameterValue", ("durationseconds",)),
        Rule(Case.BAD_REQUEST, "InvalidParameterValue", ("rolesessionname", "sts api version")),
        Rule(Case.TOKEN_INVALID, "InvalidParameterValue"),
    ),
    dead_session="InvalidAccessKeyId",
)
