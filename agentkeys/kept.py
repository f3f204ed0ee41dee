"""The vault entry of one identity: one JSON document, version 1, secrets and all.

{"version": 1,
 "session": {"kind": "broker", "url": …, "jwt": …} or what another kind is made of, or null,
 "leases": {DIGEST: {"access_key_id": …, "secret_access_key": …, "session_token": …,
                     "expires_at": …, "minted_at": …, "refresh_at": …, "skew_seconds": …,
                     "role_session_name": …, "subject": …, "claims": {…}, "sts_request_id": …,
                     "policy_hash": …, "run_id": …}}}
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from agentkeys.clock import Clock, format_utc, parse_utc
from agentkeys.errors import LoginFailed
from agentkeys.leases.lease import Lease
from agentkeys.models import TemporaryCredentials
from agentkeys.secret import Secret
from agentkeys.sessions import SESSION_KINDS, Session

__all__ = ["Kept", "decode_kept", "encode_kept"]


@dataclass(frozen=True, slots=True)
class Kept:
    """What a vault entry holds; leases by the digest of their key."""

    session: Session | None
    leases: Mapping[str, Lease]


def encode_kept(kept: Kept) -> Secret:
    session = kept.session
    document = {
        "version": 1,
        "session": session and {"kind": session.kind, **session.to_document()},
        "leases": {digest: _encode_lease(lease) for digest, lease in kept.leases.items()},
    }
    return Secret(json.dumps(document))


def decode_kept(blob: Secret | None, *, clock: Clock) -> Kept:
    """Reads an entry; whatever in it is expired or not understood counts as absent.

    An entry of another version cannot be repaired by anyone: a new login replaces it.
    """
    document = _document(blob)
    return Kept(_session(document.get("session")), _leases(document.get("leases"), clock))


def _document(blob: Secret | None) -> dict[str, Any]:
    try:
        document = json.loads(blob.reveal()) if blob is not None else {}
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) and document.get("version") == 1 else {}


def _session(value: object) -> Session | None:
    if not isinstance(value, dict):
        return None
    # Entries of the first versions knew brokers alone.
    kind = SESSION_KINDS.get(str(value.get("kind", "broker")))
    try:
        return kind.from_document(value) if kind else None
    except (KeyError, TypeError, ValueError, LoginFailed):
        return None


def _leases(values: object, clock: Clock) -> dict[str, Lease]:
    if not isinstance(values, dict):
        return {}
    found = ((digest, _lease(value, clock)) for digest, value in values.items())
    return {
        digest: lease for digest, lease in found if lease and lease.remaining(clock) > timedelta(0)
    }


def _encode_lease(lease: Lease) -> dict[str, Any]:
    credentials = lease.credentials
    return {
        "access_key_id": credentials.access_key_id,
        "secret_access_key": credentials.secret_access_key.reveal(),
        "session_token": credentials.session_token.reveal(),
        "expires_at": format_utc(credentials.expires_at),
        "minted_at": format_utc(lease.minted_at),
        "refresh_at": format_utc(lease.refresh_at),
        "skew_seconds": lease.skew.total_seconds(),
        "role_session_name": lease.role_session_name,
        "subject": lease.subject,
        "claims": dict(lease.claims),
        "sts_request_id": lease.sts_request_id,
        "policy_hash": lease.policy_hash,
        "run_id": lease.run_id,
    }


def _lease(value: Any, clock: Clock) -> Lease | None:
    try:
        expires_at = parse_utc(value["expires_at"])
        # Our clock may have been set right since then: of the two, believe the one who gives less.
        skew = timedelta(seconds=max(0.0, float(value["skew_seconds"])))
        left = expires_at - (clock.now() + skew)
        return Lease(
            credentials=TemporaryCredentials(
                access_key_id=str(value["access_key_id"]),
                secret_access_key=Secret(str(value["secret_access_key"])),
                session_token=Secret(str(value["session_token"])),
                expires_at=expires_at,
            ),
            minted_at=parse_utc(value["minted_at"]),
            refresh_at=parse_utc(value["refresh_at"]),
            skew=skew,
            deadline=clock.monotonic() + left.total_seconds(),
            role_session_name=str(value["role_session_name"]),
            subject=str(value["subject"]),
            claims={str(name): str(claim) for name, claim in value["claims"].items()},
            sts_request_id=value.get("sts_request_id"),
            policy_hash=value.get("policy_hash"),
            run_id=value.get("run_id"),
        )
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
        return None
