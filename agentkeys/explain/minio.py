"""What MinIO needs: a policy, and an OpenID provider that leads to it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from agentkeys.explain.part import Part, commands
from agentkeys.explain.policies import (
    VERSION,
    own_prefix,
    own_prefix_statements,
    pattern_warnings,
    proof,
    warnings,
)
from agentkeys.explain.setting import Setting
from agentkeys.stores import MINIO

__all__ = ["ending", "needs"]

ALIAS = "<alias>"
POLICY = "agentkeys-own-prefix"


def needs(setting: Setting) -> Iterator[Part]:
    """In the order in which it is set up; raises ConfigError where MinIO cannot do it."""
    own = own_prefix(MINIO, setting)
    yield Part(
        "policy.json",
        "the policy",
        (
            "MinIO fills its variables in from the token's claims.",
            *pattern_warnings(setting),
            "Leave s3:PutObject and s3:DeleteObject out for those who only read.",
            *warnings(setting),
        ),
        {"Version": VERSION, "Statement": own_prefix_statements(setting, own)},
    )
    yield Part(
        "commands",
        "setting it up",
        (
            "The client id is the audience of the tokens, as their aud or azp.",
            _which_policy(setting),
            "MinIO fetches the issuer's keys when it starts, finds them by the token's kid, and"
            " does not check iss: let no other issuer share the keys.",
        ),
        commands(
            ("mc", "admin", "policy", "create", ALIAS, POLICY, "policy.json"),
            ("mc", "idp", "openid", "add", ALIAS, "agentkeys", *_pairs(setting)),
            ("mc", "admin", "service", "restart", ALIAS),
        ),
    )
    yield Part(
        "environment",
        "or the same by MinIO's own environment",
        ("Instead of mc idp openid add; the policy has to be made in either case.",),
        "\n".join(
            f"MINIO_IDENTITY_OPENID_{pair.partition('=')[0].upper()}={pair.partition('=')[2]}"
            for pair in _pairs(setting)
        ),
    )
    yield proof(setting)


def ending(setting: Setting, now: datetime) -> Iterator[Part]:
    """How the sessions of a user are ended."""
    forget = ("agentkeys", "forget", *((setting.profile,) if setting.profile else ()))
    yield Part(
        "commands",
        "ends all sessions of a user",
        (
            "The first one shows the parent user of a session, by its access key; MinIO of spring"
            " 2025 or newer has the second one.",
            "agentkeys forget makes programs get new credentials rather than the dead ones.",
            "End the login at the issuer as well, or whoever holds it gets a new session.",
        ),
        commands(
            ("mc", "admin", "user", "sts", "info", ALIAS, "<access key>"),
            ("mc", "admin", "accesskey", "sts-revoke", ALIAS, "<parent user>", "--all"),
            forget,
        ),
    )
    yield Part(
        "call",
        "the call behind it, for other clients",
        (
            "Signed by an administrator; without user, by the session itself, it ends all of its"
            " own user's.",
        ),
        f"POST {setting.endpoint}/minio/admin/v3/revoke-tokens/builtin"
        "?user=<parent user>&fullRevoke=true",
    )
    yield Part(
        "older",
        "on an older MinIO",
        (
            "There is no such call: detaching or emptying the policy counts at once, for all who"
            " have it.",
        ),
    )


def _which_policy(setting: Setting) -> str:
    if setting.role_is_known:
        return (
            f"Tokens of this provider all get {POLICY}; MinIO makes the role's ARN, and mc idp"
            " openid info shows it: it is the profile's role_arn."
        )
    return f"Tokens must carry a claim policy that says {POLICY}; groups works as well."


def _pairs(setting: Setting) -> tuple[str, ...]:
    how = f"role_policy={POLICY}" if setting.role_is_known else "claim_name=policy"
    return (
        f"config_url={setting.issuer.rstrip('/')}/.well-known/openid-configuration",
        f"client_id={setting.audience}",
        how,
        "scopes=openid",
    )
