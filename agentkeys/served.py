"""What the daemon serves to a program: credentials, and where they work."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypedDict

from agentkeys.clock import parse_utc
from agentkeys.errors import ProtocolError
from agentkeys.secret import Secret

__all__ = ["Boto3Arguments", "ServedCredentials", "parse_served", "read_served"]


class Boto3Arguments(TypedDict):
    """What `boto3.client` and `boto3.resource` take, after the service's name."""

    aws_access_key_id: str
    aws_secret_access_key: str
    aws_session_token: str
    region_name: str
    endpoint_url: str | None


@dataclass(frozen=True, slots=True)
class ServedCredentials:
    """Temporary credentials, all of one answer of the daemon's, and the place they are for.

    Its repr shows no secret, and it cannot be pickled. Credentials do not refresh themselves: ask
    again for the next program or piece of work; the daemon answers from memory.
    """

    profile: str
    access_key_id: str = field(repr=False)
    """Whole; a log should show its last four characters and no more."""
    secret_access_key: Secret
    session_token: Secret
    expires_at: datetime
    """Aware, in UTC."""
    region: str
    endpoint_url: str | None
    """Where the store's S3 answers; None for that of AWS."""
    bucket: str | None
    """None where the profile names none."""
    prefix: str | None
    """What the user may touch of the bucket, as `bots/0x52…/`; None where the profile has none."""
    wallet: str | None
    """The user's; None where tokens name none."""
    variables: Mapping[str, Secret] = field(repr=False, hash=False)
    """Every variable that `agentkeys env` prints, these and others."""

    def as_boto3(self) -> Boto3Arguments:
        """For `boto3.client("s3", **credentials.as_boto3())`; holds secrets in the clear."""
        return {
            "aws_access_key_id": self.access_key_id,
            "aws_secret_access_key": self.secret_access_key.reveal(),
            "aws_session_token": self.session_token.reveal(),
            "region_name": self.region,
            "endpoint_url": self.endpoint_url,
        }

    def as_environment(self) -> dict[str, str]:
        """The variables for a program of one's own to start; holds secrets in the clear."""
        return {name: value.reveal() for name, value in self.variables.items()}


def parse_served(answer: bytes) -> ServedCredentials:
    """From NAME=VALUE entries, each closed by a NUL. Raises ProtocolError where one is missing."""
    return read_served(dict(_entries(answer.decode("utf-8", "surrogateescape"))))


def read_served(variables: Mapping[str, str]) -> ServedCredentials:
    """From the variables that `agentkeys env` prints. Raises ProtocolError where one is missing."""
    try:
        return ServedCredentials(
            profile=variables["AGENTKEYS_PROFILE"],
            access_key_id=variables["AWS_ACCESS_KEY_ID"],
            secret_access_key=Secret(variables["AWS_SECRET_ACCESS_KEY"]),
            session_token=Secret(variables["AWS_SESSION_TOKEN"]),
            expires_at=parse_utc(variables["AWS_CREDENTIAL_EXPIRATION"]),
            region=variables["AWS_REGION"],
            endpoint_url=variables.get("AWS_ENDPOINT_URL_S3"),
            bucket=variables.get("AGENTKEYS_S3_BUCKET"),
            prefix=variables.get("AGENTKEYS_S3_PREFIX"),
            wallet=variables.get("AGENTKEYS_USER_WALLET"),
            variables={name: Secret(value) for name, value in variables.items()},
        )
    except KeyError as missing:
        raise _incomplete(f"holds no {missing.args[0]}") from None
    except ValueError:
        # Not its cause: that quotes what could not be read.
        raise _incomplete("holds no readable AWS_CREDENTIAL_EXPIRATION") from None


def _entries(text: str) -> list[tuple[str, str]]:
    """The whole entries; what the last NUL does not close was cut off."""
    pairs = (entry.partition("=") for entry in text.split("\0")[:-1])
    return [(name, value) for name, equals, value in pairs if equals]


def _incomplete(how: str) -> ProtocolError:
    return ProtocolError(f"the daemon's answer {how}", hint="run: agentkeys daemon restart")
