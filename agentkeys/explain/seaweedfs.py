"""What SeaweedFS needs: one IAM configuration file."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from agentkeys.explain.part import Part
from agentkeys.explain.policies import (
    VERSION,
    own_prefix,
    own_prefix_statements,
    pattern_warnings,
    proof,
    warnings,
)
from agentkeys.explain.setting import Setting
from agentkeys.stores import SEAWEEDFS

__all__ = ["SIGNING_KEY", "ending", "iam_document", "needs"]

SIGNING_KEY = "<output of: openssl rand -base64 32>"
PROVIDER = "agentkeys"
POLICY = "OwnPrefixOnly"


def needs(setting: Setting) -> Iterator[Part]:
    """Raises ConfigError where SeaweedFS cannot do it."""
    longest = _seconds(SEAWEEDFS.max_duration)
    yield Part(
        "iam.json",
        "the IAM configuration",
        (
            "The issuer is compared byte for byte, and its keys are found by the token's kid.",
            "What no policy allows is denied. Variables are filled in from the claims of each"
            " session's token; the tags of AWS are ignored.",
            *pattern_warnings(setting),
            "aud is compared as one value: a token whose aud is a list of several is refused.",
            f"Sessions longer than maxSessionLength ({longest}) are shortened in silence.",
            "The signing key seals all sessions: make one of your own, and keep the file private.",
            *warnings(setting),
        ),
        iam_document(setting, signing_key=SIGNING_KEY, longest=SEAWEEDFS.max_duration),
    )
    yield Part(
        "commands",
        "starting it",
        (
            "Any way of starting its S3 will do, weed server and weed mini (there the option is"
            " -s3.iam.config) among them.",
            "Filer, master and volume servers ask nobody who they are: keep them off the network.",
        ),
        "weed s3 -filer=127.0.0.1:8888 -iam.config=iam.json",
    )
    yield proof(setting)


def ending(setting: Setting, now: datetime) -> Iterator[Part]:
    """That there is no way."""
    yield Part(
        "nothing",
        "nothing ends a session early",
        (
            "SeaweedFS cannot end a session: what it gave out lives until it expires. Keep sessions"
            " short instead, by the profile's duration or maxSessionLength.",
            "Restarting it with another signingKey ends every session of everybody.",
        ),
    )


def iam_document(setting: Setting, *, signing_key: str, longest: timedelta) -> dict[str, Any]:
    """SeaweedFS's IAM configuration: one provider, and one role confined to its user's prefix.

    `signing_key` is 32 bytes in base64. Raises ConfigError where SeaweedFS cannot confine so.
    """
    own = own_prefix(SEAWEEDFS, setting)
    policy = {"Version": VERSION, "Statement": own_prefix_statements(setting, own)}
    return {
        "sts": {
            "issuer": "seaweedfs-sts",
            "signingKey": signing_key,
            "tokenDuration": _seconds(min(longest, timedelta(hours=1))),
            "maxSessionLength": _seconds(longest),
            "accountId": setting.account,
        },
        "policy": {"defaultEffect": "Deny", "storeType": "memory"},
        "providers": [_provider(setting)],
        "policies": [{"name": POLICY, "document": policy}],
        "roles": [_role(setting)],
    }


def _provider(setting: Setting) -> dict[str, Any]:
    return {
        "name": PROVIDER,
        "type": "oidc",
        "enabled": True,
        "config": {
            "issuer": setting.issuer,
            "clientIds": [setting.audience],
            "jwksUri": setting.jwks_uri,
            "jwksCacheTTLSeconds": 60,
        },
    }


def _role(setting: Setting) -> dict[str, Any]:
    equal = {"oidc:aud": setting.audience}
    if setting.subject:
        equal["oidc:sub"] = setting.subject
    trusted = {
        "Effect": "Allow",
        "Principal": {"Federated": PROVIDER},
        "Action": ["sts:AssumeRoleWithWebIdentity"],
        "Condition": {"StringEquals": equal},
    }
    return {
        "roleName": setting.role_name,
        "roleArn": setting.role_arn,
        "trustPolicy": {"Version": VERSION, "Statement": [trusted]},
        "attachedPolicies": [POLICY],
    }


def _seconds(duration: timedelta) -> str:
    return f"{int(duration.total_seconds())}s"
