"""What the sandbox's store is told about identities: whom it believes, and what they may do.

The wire format is SeaweedFS's IAM configuration file (`-s3.iam.config`).
"""

from __future__ import annotations

import base64
import secrets
from datetime import timedelta
from typing import Any

__all__ = ["ACCOUNT", "BUCKET", "ROLE_ARN", "build_iam_document"]

ACCOUNT = "000000000001"
BUCKET = "agentkeys"
_ROLE_NAME = "agentkeys-data"
ROLE_ARN = f"arn:aws:iam::{ACCOUNT}:role/{_ROLE_NAME}"
_AUDIENCE = "sts.amazonaws.com"
_PROVIDER = "broker"
_POLICY = "OwnPrefixOnly"
# Filled in by the store from the web identity token of each session; its tags claim it ignores.
_OWN_PREFIX = "bots/${jwt:agentkeys_user_wallet}/*"
_LONGEST_SESSION = timedelta(hours=12)


def build_iam_document(*, issuer: str, max_session: timedelta | None = None) -> dict[str, Any]:
    """One provider, the broker at `issuer`; one role, confined to its user's prefix.

    The key that seals sessions is a new random one each time: sessions end with the store. Sessions
    longer than `max_session` are silently shortened to it, also below the 15 minutes that a caller
    has to ask for at least.
    """
    longest = int((_LONGEST_SESSION if max_session is None else max_session).total_seconds())
    return {
        "sts": {
            "issuer": "agentkeys-sandbox-sts",
            "signingKey": base64.b64encode(secrets.token_bytes(32)).decode(),
            "tokenDuration": f"{min(longest, 3600)}s",
            "maxSessionLength": f"{longest}s",
            "accountId": ACCOUNT,
        },
        "policy": {"defaultEffect": "Deny", "storeType": "memory"},
        "providers": [_provider(issuer)],
        "policies": [{"name": _POLICY, "document": _own_prefix_policy()}],
        "roles": [_role()],
    }


def _provider(issuer: str) -> dict[str, Any]:
    return {
        "name": _PROVIDER,
        "type": "oidc",
        "enabled": True,
        "config": {
            "issuer": issuer,
            "clientIds": [_AUDIENCE],
            "jwksUri": f"{issuer}/.well-known/jwks.json",
            "jwksCacheTTLSeconds": 60,
        },
    }


def _own_prefix_policy() -> dict[str, Any]:
    bucket = f"arn:aws:s3:::{BUCKET}"
    objects = [
        "s3:GetObject",
        "s3:PutObject",
        "s3:DeleteObject",
        "s3:AbortMultipartUpload",
        "s3:ListMultipartUploadParts",
    ]
    only_own = {"StringLike": {"s3:prefix": [_OWN_PREFIX]}}
    return {
        "Version": "2012-10-17",
        "Statement": [
            _allow("ListOwnPrefix", ["s3:ListBucket"], bucket) | {"Condition": only_own},
            _allow("FindBucket", ["s3:GetBucketLocation"], bucket),
            _allow("ObjectsInOwnPrefix", objects, f"{bucket}/{_OWN_PREFIX}"),
        ],
    }


def _allow(sid: str, actions: list[str], resource: str) -> dict[str, Any]:
    return {"Sid": sid, "Effect": "Allow", "Action": actions, "Resource": [resource]}


def _role() -> dict[str, Any]:
    trusted = {
        "Effect": "Allow",
        "Principal": {"Federated": _PROVIDER},
        "Action": ["sts:AssumeRoleWithWebIdentity"],
        "Condition": {
            "StringEquals": {"oidc:aud": _AUDIENCE},
            "StringLike": {"oidc:sub": "agentkeys:agent:*"},
        },
    }
    return {
        "roleName": _ROLE_NAME,
        "roleArn": ROLE_ARN,
        "trustPolicy": {"Version": "2012-10-17", "Statement": [trusted]},
        "attachedPolicies": [_POLICY],
    }
