"""A SeaweedFS that believes one issuer, and confines its users by a claim of one's choice."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from agentkeys_shell.sandbox.iam import build_iam_document, own_prefix_policy
from agentkeys_shell.sandbox.processes import end_servers
from agentkeys_shell.sandbox.seaweedfs import find_weed, start_store

__all__ = ["running_trusting_store"]

_NOBODY = "http://127.0.0.1:9"


@contextmanager
def running_trusting_store(
    folder: Path,
    *,
    issuer: str,
    jwks: str,
    audience: str,
    role: str,
    keys: str,
    max_session: timedelta | None = None,
) -> Iterator[str]:
    """The URL of one that works in `folder`, which is made.

    Whoever has a token of `issuer`, signed with a key of `jwks`, for `audience` may assume `role`,
    and gets at objects whose keys are like `keys`, such as `ci/${jwt:repository}/*`. Sessions end
    with `max_session` at the latest, which may be seconds.
    """
    folder.mkdir(mode=0o700)
    iam = build_iam_document(issuer=_NOBODY, max_session=max_session)
    iam["providers"] = [_provider(issuer, jwks, audience)]
    iam["policies"] = [{"name": "OwnKeysOnly", "document": own_prefix_policy(keys)}]
    iam["roles"] = [_role(role)]
    try:
        yield start_store(folder, weed=find_weed(), iam=iam).url
    finally:
        end_servers([folder])


def _provider(issuer: str, jwks: str, audience: str) -> dict[str, Any]:
    config = {
        "issuer": issuer,
        "clientIds": [audience],
        "jwksUri": jwks,
        "jwksCacheTTLSeconds": 60,
    }
    return {"name": "issuer", "type": "oidc", "enabled": True, "config": config}


def _role(arn: str) -> dict[str, Any]:
    trusted = {
        "Effect": "Allow",
        "Principal": {"Federated": "issuer"},
        "Action": ["sts:AssumeRoleWithWebIdentity"],
        # Without a condition on oidc:aud, which is never met by an `aud` that is a list, such as
        # Kubernetes writes it: the provider's own clientIds check it.
    }
    return {
        "roleName": arn.rpartition("/")[2],
        "roleArn": arn,
        "trustPolicy": {"Version": "2012-10-17", "Statement": [trusted]},
        "attachedPolicies": ["OwnKeysOnly"],
    }
