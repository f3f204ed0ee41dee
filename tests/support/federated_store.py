"""A SeaweedFS that believes two issuers: the development broker and the OpenID Connect provider.

role BROKER_ROLE    the broker's agents (ES256), confined to bots/<their wallet>/
role PEOPLE_ROLE    whoever the provider knows (RS256), person or service, by an ID token for
                    `people` or an access token for RESOURCE, confined to
                    people/<their preferred_username>/
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import boto3
import httpx
from botocore.config import Config
from botocore.exceptions import ClientError

from agentkeys_shell.sandbox.iam import (
    ACCOUNT,
    BUCKET,
    ROLE_ARN,
    build_iam_document,
    own_prefix_policy,
)
from agentkeys_shell.sandbox.processes import end_servers
from agentkeys_shell.sandbox.seaweedfs import find_weed, start_store
from tests.support.oidc_provider import PEOPLE, RESOURCE, OidcProvider

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

__all__ = [
    "BROKER_ROLE",
    "BUCKET",
    "PEOPLE_ROLE",
    "FederatedStore",
    "StsRefused",
    "can_list",
    "can_put",
    "running_federated_store",
]

BROKER_ROLE = ROLE_ARN
PEOPLE_ROLE = f"arn:aws:iam::{ACCOUNT}:role/agentkeys-people"
_OWN_PREFIX = "people/${jwt:preferred_username}/*"
_DENIED = ("AccessDenied", "403")
_STS = {"sts": "https://sts.amazonaws.com/doc/2011-06-15/"}


class StsRefused(Exception):
    """The store gave no session for a token; its words are the message."""


@dataclass(frozen=True)
class FederatedStore:
    """One that runs."""

    url: str
    """Of its STS and its S3 alike."""

    def trade(self, token: str, role: str = PEOPLE_ROLE) -> S3Client:
        """An S3 client of the session that the store gives for `token`, by no code of ours.

        Raises StsRefused.
        """
        form = {
            "Action": "AssumeRoleWithWebIdentity",
            "Version": "2011-06-15",
            "RoleArn": role,
            "RoleSessionName": "test",
            "WebIdentityToken": token,
        }
        answer = httpx.post(self.url, data=form, timeout=30, trust_env=False)
        if answer.status_code != httpx.codes.OK:
            raise StsRefused(answer.text)
        found = ET.fromstring(answer.text).find(".//sts:Credentials", _STS)  # noqa: S314 - our own
        assert found is not None, answer.text
        given = {part.tag.rpartition("}")[2]: part.text or "" for part in found}
        return self.s3(given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"])

    def s3(self, key: str, secret: str, session_token: str) -> S3Client:
        """A client with these credentials and none that lie about."""
        return boto3.Session(key, secret, session_token).client(
            "s3", endpoint_url=self.url, region_name="us-east-1", config=Config(proxies={})
        )


@contextmanager
def running_federated_store(
    folder: Path,
    *,
    provider: OidcProvider,
    broker: str = "http://127.0.0.1:9",
    max_session: timedelta | None = None,
) -> Iterator[FederatedStore]:
    """A store that believes `provider` and the broker whose URL is `broker`.

    It works in `folder`, which is made if need be. Sessions end with `max_session` at the latest,
    which may be seconds.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    iam = _iam(provider, broker, max_session)
    try:
        yield FederatedStore(start_store(folder, weed=find_weed(), iam=iam).url)
    finally:
        end_servers([folder])


def can_list(s3: S3Client, prefix: str) -> bool:
    """False if that is denied; any other failure is raised."""
    return _allowed(lambda: s3.list_objects_v2(Bucket=BUCKET, Prefix=prefix))


def can_put(s3: S3Client, key: str) -> bool:
    """False if that is denied; any other failure is raised."""
    return _allowed(lambda: s3.put_object(Bucket=BUCKET, Key=key, Body=b"words"))


def _allowed(call: Any) -> bool:
    try:
        call()
    except ClientError as refusal:
        if refusal.response["Error"]["Code"] not in _DENIED:
            raise
        return False
    return True


def _iam(provider: OidcProvider, broker: str, max_session: timedelta | None) -> dict[str, Any]:
    """The sandbox's document with a second issuer in each of its lists."""
    document = build_iam_document(issuer=broker, max_session=max_session)
    audiences = [PEOPLE, RESOURCE]
    document["providers"].append(
        {
            "name": "people",
            "type": "oidc",
            "enabled": True,
            "config": {
                "issuer": provider.url,
                "clientIds": audiences,
                "jwksUri": provider.discovery["jwks_uri"],
                "jwksCacheTTLSeconds": 60,
            },
        }
    )
    policy = {"name": "OwnFolderOnly", "document": own_prefix_policy(_OWN_PREFIX)}
    document["policies"].append(policy)
    trusted = {
        "Effect": "Allow",
        "Principal": {"Federated": "people"},
        "Action": ["sts:AssumeRoleWithWebIdentity"],
        "Condition": {"StringEquals": {"oidc:aud": audiences}},
    }
    document["roles"].append(
        {
            "roleName": PEOPLE_ROLE.rpartition("/")[2],
            "roleArn": PEOPLE_ROLE,
            "trustPolicy": {"Version": "2012-10-17", "Statement": [trusted]},
            "attachedPolicies": [policy["name"]],
        }
    )
    return document
