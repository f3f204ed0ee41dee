"""A SeaweedFS that believes one issuer, and confines its users by a claim of one's choice."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from agentkeys_shell.sandbox.iam import build_iam_document, own_prefix_policy
from agentkeys_shell.sandbox.processes import end_servers
from agentkeys_shell.sandbox.seaweedfs import find_weed, start_store
from tests.support.signing_issuer import SigningIssuer

__all__ = ["Trust", "running_trusting_store"]

_NOBODY = "http://127.0.0.1:9"


@dataclass(frozen=True, kw_only=True)
class Trust:
    """What a store lets those do who have a token of its issuer."""

    audience: str
    """That the token has to be for."""
    role: str
    """That they may assume."""
    keys: str
    """Of the objects that they get at, such as `ci/${jwt:repository}/*`."""
    max_session: timedelta | None = None
    """When sessions end at the latest, which may be seconds."""


@contextmanager
def running_trusting_store(folder: Path, *, issuer: SigningIssuer, trust: Trust) -> Iterator[str]:
    """The URL of one that works in `folder`, which is made, and believes `issuer`."""
    folder.mkdir(mode=0o700)
    iam = build_iam_document(issuer=_NOBODY, max_session=trust.max_session)
    iam["providers"] = [_provider(issuer, trust.audience)]
    iam["policies"] = [{"name": "OwnKeysOnly", "document": own_prefix_policy(trust.keys)}]
    iam["roles"] = [_role(trust.role)]
    try:
        yield start_store(folder, weed=find_weed(), iam=iam).url
    finally:
        end_servers([folder])


def _provider(issuer: SigningIssuer, audience: str) -> dict[str, Any]:
    config = {
        "issuer": issuer.url,
        "clientIds": [audience],
        "jwksUri": issuer.jwks,
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
