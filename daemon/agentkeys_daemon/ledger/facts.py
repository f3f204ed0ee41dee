"""What the ledger's lines say of a session, a lease, a run, a failure and a peer."""

from __future__ import annotations

from typing import Any

from agentkeys.errors import AgentkeysError, StsError
from agentkeys.leases import Lease
from agentkeys.sessions import Session
from agentkeys_daemon.peers import Peer
from agentkeys_daemon.runs.run import Run

__all__ = ["failure_facts", "lease_facts", "peer_facts", "run_facts", "session_facts"]


def session_facts(session: Session | None) -> dict[str, Any]:
    if session is None:
        return {}
    return {
        "subject": session.subject,
        "requester_wallet": session.wallet or session.omni,
        "requester_token_hash": session.fingerprint,
    }


def lease_facts(lease: Lease) -> dict[str, Any]:
    return {
        "sts_session_name": lease.role_session_name,
        "duration_got": int(lease.lifetime.total_seconds()),
        "policy_hash": lease.policy_hash,
        "access_key_id": lease.credentials.access_key_id,
        "sts_request_id": lease.sts_request_id,
        "expires_at": lease.credentials.expires_at,
    }


def run_facts(run: Run) -> dict[str, Any]:
    return {
        "identity": run.identity,
        "profile": run.profile,
        "subject": run.subject,
        "run_id": run.id,
    }


def failure_facts(problem: AgentkeysError) -> dict[str, Any]:
    outcome = "sts_error" if isinstance(problem, StsError) else "error"
    return {"outcome": outcome, "outcome_detail": problem.message, "error_code": problem.code}


def peer_facts(peer: Peer) -> dict[str, Any]:
    return {
        "uid": peer.uid,
        "pid": peer.pid,
        "exe": peer.executable(),
        "parent_exe": peer.parent_executable(),
        "cwd": peer.folder(),
    }
