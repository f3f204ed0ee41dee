"""The statements that keep a user to their own prefix, and how each kind of store names it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from agentkeys.errors import ConfigError
from agentkeys.explain.part import Part
from agentkeys.explain.setting import Setting
from agentkeys.prefix import spell_prefix
from agentkeys.stores import StoreKind

__all__ = [
    "VERSION",
    "own_prefix",
    "own_prefix_statements",
    "pattern_warnings",
    "proof",
    "warnings",
]

VERSION = "2012-10-17"
OBJECT_ACTIONS = (
    "s3:GetObject",
    "s3:PutObject",
    "s3:DeleteObject",
    "s3:AbortMultipartUpload",
    "s3:ListMultipartUploadParts",
)


def own_prefix(kind: StoreKind, setting: Setting) -> str:
    """The user's prefix as that kind's policies write it, for every user at once.

    Where the role itself belongs to one user, or the store's policies know no variables, it is that
    one user's. Raises ConfigError where the store cannot read what the profile relies on.
    """
    variable = _variable(kind, setting)
    if variable is None:
        return spell_prefix(setting.prefix, setting.value_of)
    return spell_prefix(setting.prefix, lambda claim: _spelt(kind, variable, claim, setting))


def _variable(kind: StoreKind, setting: Setting) -> str | None:
    how = setting.confine.kind
    if how == "role":
        return None
    if how == kind.default_confine.kind:
        return kind.tag_variable if how == "tags" else kind.claim_variable
    ignored = "session tags" if how == "tags" else "claims"
    raise ConfigError(
        f"policies of {kind.title} cannot read {ignored},"
        f" by which the profile {setting.profile} is confined",
        hint=f'set confine = "{kind.default_confine}", or "role" for a role of one user',
    )


def _spelt(kind: StoreKind, variable: str, claim: str, setting: Setting) -> str:
    if kind.policy_claims is not None and claim not in kind.policy_claims:
        raise ConfigError(
            f"policies of {kind.title} cannot read the claim {claim},"
            f" which the prefix {setting.prefix!r} names",
            hint=f'set prefix = "{{claim:{kind.default_confine.claim}}}/" in the profile',
        )
    return variable.replace("NAME", claim)


def own_prefix_statements(
    setting: Setting,
    own: str,
    *,
    partition: str = "aws",
    principal: Mapping[str, Any] | None = None,
    condition: Mapping[str, Any] | None = None,
) -> list[dict[str, Any]]:
    """Listing, finding and using what is below `own`; `condition` is asked for each of them."""
    bucket = f"arn:{partition}:s3:::{setting.bucket}"
    listing = {"StringLike": {"s3:prefix": [f"{own}*"]}}

    def allow(
        sid: str, actions: tuple[str, ...], resource: str, more: Any = None
    ) -> dict[str, Any]:
        asked = {**(condition or {}), **(more or {})}
        return {
            "Sid": sid,
            "Effect": "Allow",
            **({"Principal": principal} if principal else {}),
            "Action": list(actions),
            "Resource": [resource],
            **({"Condition": asked} if asked else {}),
        }

    return [
        allow("ListOwnPrefix", ("s3:ListBucket",), bucket, listing),
        allow("FindBucket", ("s3:GetBucketLocation",), bucket),
        allow("ObjectsInOwnPrefix", OBJECT_ACTIONS, f"{bucket}/{own}*"),
    ]


def warnings(setting: Setting) -> tuple[str, ...]:
    """Where the prefix tells nobody apart, or by something that nobody checks."""
    prefix, confine, claims = setting.prefix, setting.confine, setting.claims
    if confine.kind == "role":
        return ()
    if not claims:
        return (
            f"Mind that the prefix {prefix} names no user: all who may assume the role share it.",
        )
    if confine.claim is not None and confine.claim not in claims:
        return (
            f"Mind that the prefix {prefix} is filled in from {', '.join(claims)}, while the"
            f" profile is confined by {confine.claim}: set confine to what the store reads.",
        )
    return ()


def pattern_warnings(setting: Setting) -> tuple[str, ...]:
    """What is added where variables are claims, which the store fills in before it matches."""
    if setting.confine.kind == "role":
        return ()
    return (
        "What a claim says counts as a pattern there: the issuer must let nobody have a * or ? in"
        " it, which would open every prefix. agentkeys refuses such a token, but its owner can do"
        " without agentkeys.",
    )


def proof(setting: Setting) -> Part:
    """What every operator wants to have seen."""
    profile = ("-p", setting.profile) if setting.profile else ()
    foreign = spell_prefix(setting.prefix, lambda _claim: "0xdeadbeef")
    run = " ".join(("agentkeys", "exec", *profile, "--", "sh", "-c"))
    lines = (
        f"""{run} 'aws s3 ls "s3://$AGENTKEYS_S3_BUCKET/$AGENTKEYS_S3_PREFIX"'""",
        f"""{run} 'aws s3 ls "s3://$AGENTKEYS_S3_BUCKET/{foreign}"'""",
    )
    return Part(
        "proof",
        "the proof",
        (
            "The first one succeeds, be the list empty, and the second one is refused.",
            "Both succeed: a broader grant hides the isolation.",
            "Both are refused: the token lacks what the policy reads.",
        ),
        "\n".join(lines),
    )
