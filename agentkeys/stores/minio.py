"""MinIO. What it takes and answers is that of its published source."""

from __future__ import annotations

from datetime import timedelta

from agentkeys.models import Confinement
from agentkeys.stores.cases import Case, Rule
from agentkeys.stores.kind import StoreKind

__all__ = ["MINIO"]

_POLICY_CLAIMS = frozenset(
    {
        "address",
        "aud",
        "birthdate",
        "client_id",
        "email",
        "family_name",
        "gender",
        "given_name",
        "groups",
        "iss",
        "jti",
        "middle_name",
        "name",
        "nickname",
        "phone_number",
        "picture",
        "preferred_username",
        "profile",
        "scope",
        "sub",
        "upn",
        "website",
    }
)

MINIO = StoreKind(
    name="minio",
    title="MinIO",
    needs_role_arn=False,
    takes_policy=True,
    takes_policy_arns=False,
    min_duration=timedelta(minutes=15),
    max_duration=timedelta(days=365),
    clamps_duration=False,
    # It would also take HS256 and the like, signed with the client secret; whoever knows that
    # could be anybody, so such a token is not what we show to a store.
    algorithms=frozenset({"RS256", "RS384", "RS512", "ES256", "ES384", "ES512"}),
    needs_key_id=True,
    default_confine=Confinement("claim", "preferred_username"),
    claim_variable="${jwt:NAME}",
    policy_claims=_POLICY_CLAIMS,
    rules=(
        Rule(Case.TOKEN_EXPIRED, "InvalidParameterValue", ("token is expired",)),
        Rule(Case.DURATION, "InvalidParameterValue", ("durationseconds", "token expiry")),
        Rule(Case.WRONG_AUDIENCE, "InvalidParameterValue", ("audience", "openid client id")),
        Rule(Case.CLAIM_REFUSED, "InvalidParameterValue", ("given policies", "claim missing")),
        Rule(Case.ROLE_UNKNOWN, "InvalidParameterValue", ("rolearn",)),
        Rule(Case.NOT_YET_VALID, "InvalidParameterValue", ("before issued", "not valid yet")),
        Rule(Case.POLICY, "InvalidParameterValue", ("policy",)),
        Rule(
            Case.KEYS_UNREACHABLE,
            "InvalidParameterValue",
            ("connection refused", "dial tcp", "no such host"),
        ),
        Rule(Case.TOKEN_INVALID, "InvalidParameterValue"),
        Rule(Case.NOT_TRUSTED, "AccessDenied"),
    ),
    dead_session="InvalidAccessKeyId",
)
