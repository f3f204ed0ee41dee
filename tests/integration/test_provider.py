"""A service that acts for many users, against a real store."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import boto3
import jwt
import pytest
from botocore.exceptions import ClientError

from agentkeys.errors import StsError
from agentkeys.provider import AsyncCredentialProvider, CredentialProvider
from agentkeys.sandbox_record import SandboxRecord
from agentkeys.served import ServedCredentials
from agentkeys_shell.sandbox.lifecycle import config_path
from tests.support.sandbox import running_sandbox, web_identity_tokens
from tests.support.tokens import signing_key

PROFILE = "sandbox"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("sandbox")


@pytest.fixture(scope="module")
def sandbox(folder: Path) -> Iterator[SandboxRecord]:
    with running_sandbox(folder) as record:
        yield record


@pytest.fixture(scope="module")
def environ(folder: Path, sandbox: SandboxRecord) -> Mapping[str, str]:
    """What leads to the sandbox's own configuration."""
    return {"AGENTKEYS_CONFIG": str(config_path(folder)), "HOME": str(folder)}


@pytest.fixture
def provider(environ: Mapping[str, str]) -> Iterator[CredentialProvider]:
    with CredentialProvider(environ=environ) as opened:
        yield opened


@pytest.fixture(scope="module")
def tokens(sandbox: SandboxRecord) -> tuple[str, ...]:
    """One of each user of the sandbox."""
    return web_identity_tokens(sandbox)


def put(served: ServedCredentials, prefix: str | None) -> None:
    with closing(boto3.client("s3", **served.as_boto3())) as s3:
        s3.put_object(Bucket=served.bucket or "", Key=f"{prefix}hello", Body=b"hello")


def forged(token: str, **claims: Any) -> str:
    """The same user's token, with the broker's own key id, signed by somebody else."""
    return jwt.encode(
        jwt.decode(token, options={"verify_signature": False}) | claims,
        signing_key("forger"),
        algorithm="ES256",
        headers={"kid": jwt.get_unverified_header(token)["kid"]},
    )


def test_each_user_gets_what_is_theirs(
    provider: CredentialProvider, tokens: tuple[str, ...]
) -> None:
    """By one profile for all of them: their own prefix yes, the other's no."""
    alice, bob = (
        provider.credentials_for(web_identity_token=token, profile=PROFILE) for token in tokens
    )
    for served, other in ((alice, bob), (bob, alice)):
        put(served, served.prefix)
        with pytest.raises(ClientError) as refusal:
            put(served, other.prefix)
        assert refusal.value.response["Error"]["Code"] == "AccessDenied"


def test_a_forged_token_of_a_cached_user_is_refused_by_the_store(
    provider: CredentialProvider, tokens: tuple[str, ...]
) -> None:
    """Its `sub` and all its claims are those of somebody whose credentials are held."""
    held = provider.credentials_for(web_identity_token=tokens[0], profile=PROFILE)
    for forgery in (forged(tokens[0]), forged(tokens[0], jti="another"), tokens[0][:-8] + "A" * 8):
        with pytest.raises(StsError) as refusal:
            provider.credentials_for(web_identity_token=forgery, profile=PROFILE)
        # The store's own code: that is where it was refused.
        assert refusal.value.sts_code in ("InvalidParameterValue", "AccessDenied")
        assert forgery not in str(refusal.value.hint)
    again = provider.credentials_for(web_identity_token=tokens[0], profile=PROFILE)
    assert again == held


def test_rejected_credentials_make_room_for_others(
    provider: CredentialProvider, tokens: tuple[str, ...]
) -> None:
    """The new ones work."""
    first = provider.credentials_for(web_identity_token=tokens[0], profile=PROFILE)
    assert provider.invalidate(first.access_key_id)
    second = provider.credentials_for(web_identity_token=tokens[0], profile=PROFILE)
    assert second.access_key_id != first.access_key_id
    put(second, second.prefix)


def test_tasks_get_them_as_well(environ: Mapping[str, str], tokens: tuple[str, ...]) -> None:
    """Many at once, each those of the token that it presents."""

    async def ask() -> list[ServedCredentials]:
        async with AsyncCredentialProvider(environ=environ) as provider:
            calls = [
                provider.credentials_for(web_identity_token=token, profile=PROFILE)
                for token in tokens * 8
            ]
            return await asyncio.gather(*calls)

    found = asyncio.run(ask())
    assert found == found[:2] * 8
    assert found[0].wallet != found[1].wallet
