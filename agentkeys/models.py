"""The values that travel through agentkeys, parsed once at the border and valid ever after."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from agentkeys.clock import format_utc
from agentkeys.errors import ConfigError
from agentkeys.secret import Secret

__all__ = [
    "AssumedRole",
    "Confinement",
    "RoleArn",
    "TemporaryCredentials",
    "TokenUser",
    "WebIdentityToken",
]

# AWS names the account; Ceph and MinIO leave it empty, and MinIO has a partition of its own.
_ROLE_ARN = re.compile(r"arn:[a-z0-9-]+:iam:[a-z0-9-]*:[0-9]*:role/[A-Za-z0-9_+=,.@/-]+")


@dataclass(frozen=True, slots=True)
class RoleArn:
    """An IAM role's ARN, 20 to 2048 characters, such as `arn:aws:iam::111122223333:role/data`."""

    arn: str

    @classmethod
    def parse(cls, text: str) -> RoleArn:
        """Raises ConfigError when `text` is no role ARN."""
        if not 20 <= len(text) <= 2048 or not _ROLE_ARN.fullmatch(text):
            raise ConfigError(
                f"{text!r} is not a role ARN",
                hint="write it as arn:aws:iam::<account>:role/<name>",
            )
        return cls(text)

    @property
    def partition(self) -> str:
        """Of the S3 resources beside it: a part of AWS, or `aws`, as other stores write it too."""
        own = self.arn.split(":")[1]
        return own if own.startswith("aws") else "aws"  # MinIO names its roles differently

    @property
    def account(self) -> str:
        """Empty where the store has no accounts."""
        return self.arn.split(":")[4]

    @property
    def name(self) -> str:
        """The last part, what people call the role."""
        return self.arn.rpartition("/")[2]

    def __str__(self) -> str:
        return self.arn


@dataclass(frozen=True, slots=True)
class Confinement:
    """How a store keeps a user to what is theirs.

    `kind` is "tags", "claim" or "role"; `claim` names the claim when the kind is "claim".
    """

    kind: str
    claim: str | None = None

    @classmethod
    def parse(cls, text: str) -> Confinement:
        """From `tags`, `claim:NAME` or `role`; raises ConfigError."""
        kind, colon, name = text.partition(":")
        if (kind in ("tags", "role") and not colon) or (kind == "claim" and name):
            return cls(kind, name or None)
        raise ConfigError(
            f"{text!r} is not a kind of confinement",
            hint='write "tags", "claim:NAME" or "role"',
        )

    def __str__(self) -> str:
        return f"{self.kind}:{self.claim}" if self.claim else self.kind


@dataclass(frozen=True, slots=True)
class TokenUser:
    """Whom a token names: a subject, which is one user's at its issuer alone."""

    issuer: str
    subject: str


@dataclass(frozen=True, slots=True)
class WebIdentityToken:
    """A JWT that names the user to an STS, with its payload read but its signature unchecked.

    The store checks the signature; what we check is that the token confines its user.
    """

    jwt: Secret
    claims: Mapping[str, Any] = field(repr=False)
    issuer: str
    subject: str
    audiences: tuple[str, ...]
    expires_at: datetime
    algorithm: str
    """By which it is signed, `ES256` for instance."""
    key_id: str | None
    """The `kid` of its header, by which a store finds the issuer's key."""

    @property
    def user(self) -> TokenUser:
        return TokenUser(self.issuer, self.subject)


@dataclass(frozen=True, slots=True)
class TemporaryCredentials:
    """What a program needs to sign its requests, until `expires_at`."""

    access_key_id: str
    secret_access_key: Secret
    session_token: Secret
    expires_at: datetime

    @property
    def key_ending(self) -> str:
        """The access key's last four characters, all that people and logs get to see."""
        return self.access_key_id[-4:]

    def as_boto3(self) -> dict[str, str]:
        """For `boto3.client("s3", …, **credentials.as_boto3())`, and for `boto3.Session`.

        Holds secrets in the clear.
        """
        return {
            "aws_access_key_id": self.access_key_id,
            "aws_secret_access_key": self.secret_access_key.reveal(),
            "aws_session_token": self.session_token.reveal(),
        }

    def as_environment(self) -> dict[str, str]:
        """The variables that AWS clients read; holds secrets in the clear."""
        return {
            "AWS_ACCESS_KEY_ID": self.access_key_id,
            "AWS_SECRET_ACCESS_KEY": self.secret_access_key.reveal(),
            "AWS_SESSION_TOKEN": self.session_token.reveal(),
            "AWS_CREDENTIAL_EXPIRATION": format_utc(self.expires_at),
        }


@dataclass(frozen=True, slots=True)
class AssumedRole:
    """What an STS answered to AssumeRoleWithWebIdentity."""

    credentials: TemporaryCredentials
    request_id: str | None
    subject: str | None
    packed_policy_percent: int | None
    skew: timedelta | None = None
    """How far the store's clock was ahead of ours, None where it did not tell."""
