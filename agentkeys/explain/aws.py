"""What AWS needs: an OpenID Connect provider, a role that trusts it, and the bucket's policy."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from agentkeys.claims import WALLET_CLAIM
from agentkeys.clock import format_utc
from agentkeys.explain.part import Part, commands
from agentkeys.explain.policies import (
    VERSION,
    own_prefix,
    own_prefix_statements,
    proof,
    warnings,
)
from agentkeys.explain.setting import Setting
from agentkeys.stores import AWS

__all__ = ["ending", "needs"]


def needs(setting: Setting) -> Iterator[Part]:
    """In the order in which it is set up; raises ConfigError where AWS cannot do it."""
    own = own_prefix(AWS, setting)
    yield Part(
        "trust-policy.json",
        "the role's trust policy",
        (
            "It trusts the issuer's tokens for this audience alone, and only those that carry the"
            " user's tag: an untagged session could not be confined.",
            "sts:TagSession is needed, since a token with tags is refused without.",
        )
        if setting.confine.kind == "tags"
        else ("It trusts the tokens of this one subject alone, since the role belongs to it.",),
        _trust_policy(setting),
    )
    yield Part(
        "bucket-policy.json",
        "the bucket's policy",
        (
            "It names the role, not its sessions, so that session policies narrow it further.",
            "Leave s3:PutObject and s3:DeleteObject out for those who only read; bucket and role"
            " are in one account.",
            *warnings(setting),
        ),
        _bucket_policy(setting, own),
    )
    yield Part(
        "role-policy",
        "the role's own policy: none",
        (
            "It must grant no S3: policies add up, and a grant there would open every prefix"
            " without any error.",
        ),
    )
    yield Part(
        "commands",
        "setting it up",
        (
            "AWS fetches the issuer's keys over the public internet, from what its discovery"
            " document names.",
            "put-bucket-policy replaces the policy that the bucket has: merge the two first.",
        ),
        _set_up(setting),
    )
    yield proof(setting)


def ending(setting: Setting, now: datetime) -> Iterator[Part]:
    """How sessions that began before `now` are ended."""
    yield Part(
        "end-sessions.json",
        "ends every session of the role that began before now",
        (
            "Attached to the role, it denies them everything from then on; later sessions are as"
            " before.",
            "End the login at the issuer as well, or whoever holds it gets a new session.",
        ),
        _deny_before(now, {}),
    )
    if setting.confine.kind == "tags":
        tags = {
            f"aws:PrincipalTag/{claim}": setting.value_of(claim) for claim in _tags_needed(setting)
        }
        yield Part(
            "end-one-user.json",
            "the same for one user alone",
            ("The others' sessions go on; it is attached in the same way, in place of the first.",),
            _deny_before(now, {"StringEquals": tags}),
        )
    attach = (
        "aws", "iam", "put-role-policy", "--role-name", setting.role_name,
        "--policy-name", "AgentkeysEndSessions", "--policy-document", "file://end-sessions.json",
    )  # fmt: skip
    forget = ("agentkeys", "forget", *((setting.profile,) if setting.profile else ()))
    yield Part(
        "commands",
        "doing it",
        ("agentkeys forget makes programs get new credentials rather than the dead ones.",),
        commands(attach, forget),
    )


def _trust_policy(setting: Setting) -> dict[str, Any]:
    equal = {f"{setting.issuer_name}:aud": setting.audience}
    if setting.subject:
        equal[f"{setting.issuer_name}:sub"] = setting.subject
    by_tags = setting.confine.kind == "tags"
    present = {f"aws:RequestTag/{tag}": "false" for tag in _tags_needed(setting)}
    provider = f"oidc-provider/{setting.issuer_name}"
    statement = {
        "Sid": "WebIdentity",
        "Effect": "Allow",
        "Principal": {"Federated": f"arn:{setting.partition}:iam::{setting.account}:{provider}"},
        # A token with tags needs the second one, whether or not anything is confined by them.
        "Action": ["sts:AssumeRoleWithWebIdentity", "sts:TagSession"],
        "Condition": {"StringEquals": equal, **({"Null": present} if by_tags else {})},
    }
    return {"Version": VERSION, "Statement": [statement]}


def _tags_needed(setting: Setting) -> tuple[str, ...]:
    return setting.claims or (WALLET_CLAIM,)


def _bucket_policy(setting: Setting, own: str) -> dict[str, Any]:
    statements = own_prefix_statements(
        setting, own, partition=setting.partition, principal={"AWS": setting.role_arn}
    )
    return {"Version": VERSION, "Statement": statements}


def _set_up(setting: Setting) -> str:
    path = ("--path", setting.role_path) if setting.role_path else ()
    return commands(
        (
            "aws", "iam", "create-open-id-connect-provider",
            "--url", setting.issuer, "--client-id-list", setting.audience,
        ),
        (
            "aws", "iam", "create-role", "--role-name", setting.role_name, *path,
            "--assume-role-policy-document", "file://trust-policy.json",
            "--max-session-duration", str(int(setting.longest.total_seconds())),
        ),
        (
            "aws", "s3api", "put-bucket-policy", "--bucket", setting.bucket,
            "--policy", "file://bucket-policy.json",
        ),
    )  # fmt: skip


def _deny_before(now: datetime, more: dict[str, Any]) -> dict[str, Any]:
    statement = {
        "Sid": "EndSessions",
        "Effect": "Deny",
        "Action": ["*"],
        "Resource": ["*"],
        "Condition": {"DateLessThan": {"aws:TokenIssueTime": format_utc(now)}, **more},
    }
    return {"Version": VERSION, "Statement": [statement]}
