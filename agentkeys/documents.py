"""What programs are handed: the documents of all credential doors and a child's variables.

Sources: AWS SDKs and Tools Reference Guide, "Process credential provider" and "Container credential
provider", and the environment variables that the AWS SDKs read; the broker's client contract.
"""

from __future__ import annotations

import json
from math import floor
from typing import Any

from agentkeys.claims import WALLET_CLAIM
from agentkeys.clock import format_utc
from agentkeys.config import Profile, Store
from agentkeys.leases import Lease
from agentkeys.prefix import render_prefix

__all__ = [
    "DEFAULT_REGION",
    "container_credentials_document",
    "credential_process_document",
    "credential_variables",
    "mint_document",
    "place_variables",
]

DEFAULT_REGION = "us-east-1"


def credential_process_document(lease: Lease) -> bytes:
    """The document as a line of JSON. Holds secrets."""
    credentials = lease.credentials
    document = {
        "Version": 1,
        "AccessKeyId": credentials.access_key_id,
        "SecretAccessKey": credentials.secret_access_key.reveal(),
        "SessionToken": credentials.session_token.reveal(),
        "Expiration": format_utc(credentials.expires_at),
    }
    return json.dumps(document).encode() + b"\n"


def container_credentials_document(lease: Lease) -> bytes:
    """What an SDK reads from the container credentials endpoint, as JSON. Holds secrets."""
    credentials = lease.credentials
    document = {
        "Code": "Success",  # minio-js takes no answer without it
        "AccessKeyId": credentials.access_key_id,
        "AccessKeyID": credentials.access_key_id,  # as minio-js spells it
        "SecretAccessKey": credentials.secret_access_key.reveal(),
        "Token": credentials.session_token.reveal(),
        "Expiration": format_utc(credentials.expires_at),
    }
    return json.dumps(document).encode() + b"\n"


def mint_document(lease: Lease, *, wallet: str, audit_record_id: str | None = None) -> bytes:
    """What brokers used to answer to POST /v1/mint-aws-creds, as JSON. Holds secrets.

    `audit_record_id` is for callers of the later shape, which has two fields more.
    """
    credentials = lease.credentials
    document: dict[str, Any] = {
        "access_key_id": credentials.access_key_id,
        "secret_access_key": credentials.secret_access_key.reveal(),
        "session_token": credentials.session_token.reveal(),
        # In whole Unix seconds, none of which the credentials do not live.
        "expiration": floor(credentials.expires_at.timestamp()),
        "wallet": wallet,
    }
    if audit_record_id is not None:
        document |= {"audit_record_id": audit_record_id, "anchored": []}
    return json.dumps(document).encode() + b"\n"


def credential_variables(lease: Lease) -> dict[str, str]:
    """Keys that stay as they are until they expire, secrets in the clear."""
    return lease.credentials.as_environment()


def place_variables(
    profile: Profile, lease: Lease, *, inherited_region: str | None
) -> dict[str, str]:
    """Where a program of `profile` finds its store, and its own place in it.

    Raises TokenUnconfined when the profile's prefix cannot be made of the token's claims.
    """
    region = profile.region or inherited_region or DEFAULT_REGION
    variables = {
        "AWS_REGION": region,
        "AWS_DEFAULT_REGION": region,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AGENTKEYS_PROFILE": profile.name,
    }
    if profile.store.s3_endpoint:
        variables["AWS_ENDPOINT_URL_S3"] = profile.store.s3_endpoint
        variables["AWS_ENDPOINT_URL"] = profile.store.s3_endpoint
        if profile.store.s3_endpoint.startswith("http://"):
            variables["AWS_ALLOW_HTTP"] = "true"  # object_store asks for it, also on loopback
    variables |= _store_variables(profile.store)
    return variables | _place(profile, lease)


def _store_variables(store: Store) -> dict[str, str]:
    """How AWS SDKs are to speak to a store, as far as the configuration says."""
    wanted = {"AWS_USE_FIPS_ENDPOINT": store.fips, "AWS_USE_DUALSTACK_ENDPOINT": store.dual_stack}
    variables = {name: "true" for name, is_wanted in wanted.items() if is_wanted}
    if store.checksums:
        variables["AWS_REQUEST_CHECKSUM_CALCULATION"] = store.checksums
        variables["AWS_RESPONSE_CHECKSUM_VALIDATION"] = store.checksums
    return variables


def _place(profile: Profile, lease: Lease) -> dict[str, str]:
    """Where a child lives: its user's wallet, bucket and prefix, as far as they are known."""
    place = {
        "AGENTKEYS_USER_WALLET": lease.claims.get(WALLET_CLAIM),
        "AGENTKEYS_S3_BUCKET": profile.bucket,
        "AGENTKEYS_S3_PREFIX": profile.prefix and render_prefix(profile.prefix, lease.claims),
    }
    return {name: value for name, value in place.items() if value}
