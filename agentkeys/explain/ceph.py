"""What Ceph needs: an OpenID Connect provider, a role, and a statement for each user."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from agentkeys.explain.part import Part, commands
from agentkeys.explain.policies import (
    VERSION,
    own_prefix,
    own_prefix_statements,
    proof,
    warnings,
)
from agentkeys.explain.setting import Setting
from agentkeys.stores import CEPH

__all__ = ["ending", "needs"]

POLICY = "agentkeys-own-prefix"
_TRUST_FILE = "file://trust-policy.json"
_POLICY_FILE = "file://role-policy.json"


def needs(setting: Setting) -> Iterator[Part]:
    """In the order in which it is set up; raises ConfigError where Ceph cannot do it."""
    own = own_prefix(CEPH, setting)
    yield Part(
        "trust-policy.json",
        "the role's trust policy",
        (
            "Ceph calls the token's audience app_id, and looks at the first one alone.",
            "sts:TagSession is needed, since a token with tags is refused without.",
        ),
        _trust_policy(setting),
    )
    yield Part(
        "role-policy.json",
        "the role's policy: these statements for each user, with values of their own",
        (
            "Ceph knows no variables in a resource, so every user has statements that hold for"
            " sessions with their tag; another way is a role for each user.",
            *warnings(setting),
        ),
        _role_policy(setting, own),
    )
    yield Part(
        "commands",
        "setting it up",
        (
            "The issuer signs with RS256 or ES256, each of its keys has an x5c, and the first one"
            " is the one that counts.",
            "rgw_sts_key has 16 characters and seals all sessions.",
        ),
        _set_up(setting),
    )
    yield proof(setting)


def ending(setting: Setting, now: datetime) -> Iterator[Part]:
    """What there is instead of ending a session."""
    yield Part(
        "nothing",
        "nothing ends a session early",
        (
            "Ceph cannot end a session, but it asks for the role's policy at each request: what is"
            " taken out of it is taken from the sessions that live.",
            "Put it back only when the last one of them has expired.",
        ),
    )
    yield Part(
        "one-user",
        "takes everything from one user's sessions",
        ("The file is the role's policy without that user's statements.",),
        _iam(setting, "put-role-policy", *_named(setting), "--policy-document", _POLICY_FILE),
    )
    yield Part(
        "everybody",
        "takes everything from all sessions of the role",
        ("Without its policy the role allows nothing; without the role no session is valid.",),
        _iam(setting, "delete-role-policy", *_named(setting)),
    )


def _trust_policy(setting: Setting) -> dict[str, Any]:
    equal = {f"{setting.issuer_name}:app_id": setting.audience}
    if setting.subject:
        equal[f"{setting.issuer_name}:sub"] = setting.subject
    provider = f"arn:aws:iam::{_account(setting)}:oidc-provider/{setting.issuer_name}"
    statement = {
        "Effect": "Allow",
        "Principal": {"Federated": [provider]},
        "Action": ["sts:AssumeRoleWithWebIdentity", "sts:TagSession"],
        "Condition": {"StringEquals": equal},
    }
    return {"Version": VERSION, "Statement": [statement]}


def _role_policy(setting: Setting, own: str) -> dict[str, Any]:
    tags = {f"aws:PrincipalTag/{claim}": setting.value_of(claim) for claim in setting.claims}
    by_tags = tags and setting.confine.kind == "tags"
    condition = {"StringEquals": tags} if by_tags else None
    statements = own_prefix_statements(setting, own, condition=condition)
    return {"Version": VERSION, "Statement": statements}


def _account(setting: Setting) -> str:
    """Empty on most installations, which know tenants alone."""
    return setting.account if setting.role_is_known else ""


def _set_up(setting: Setting) -> str:
    sts = ("ceph", "config", "set", "client.rgw")
    trust = ("--role-name", setting.role_name, "--assume-role-policy-document", _TRUST_FILE)
    lines = (
        commands(
            (*sts, "rgw_s3_auth_use_sts", "true"),
            (*sts, "rgw_sts_key", "<16 characters>"),
            (
                "radosgw-admin",
                "caps",
                "add",
                "--uid",
                "<admin>",
                "--caps",
                "oidc-provider=*;roles=*",
            ),
        ),
        _iam(
            setting,
            *("create-open-id-connect-provider", "--url", setting.issuer),
            *("--client-id-list", setting.audience),
            *("--thumbprint-list", "<SHA-1 of the certificate in x5c>"),
        ),
        _iam(setting, "create-role", *trust),
        _iam(setting, "put-role-policy", *_named(setting), "--policy-document", _POLICY_FILE),
    )
    return "\n".join(lines)


def _iam(setting: Setting, *words: str) -> str:
    return commands(("aws", "--endpoint-url", setting.endpoint, "iam", *words))


def _named(setting: Setting) -> tuple[str, ...]:
    return ("--role-name", setting.role_name, "--policy-name", POLICY)
