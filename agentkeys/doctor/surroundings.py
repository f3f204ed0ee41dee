"""The daemon's own surroundings: the keyring, its memory, the ledger."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from agentkeys.doctor.finding import Finding, failed, from_error, ok, skipped, warning
from agentkeys.errors import AgentkeysError, AuditError, VaultError

__all__ = ["examine_keyring", "examine_ledger", "examine_memory"]


def examine_keyring(
    *, kind: str, detail: str, trouble: VaultError | None, logs_in: bool
) -> Finding:
    """Whether logins and leases outlive the daemon.

    `trouble` is what keeps the keyring from its work; `logs_in` says that a person would have to
    log in again.
    """
    if trouble is not None:
        return from_error("keyring", trouble, kind=kind)
    if kind != "memory":
        return ok("keyring", detail, kind=kind)
    if not logs_in:
        return ok("keyring", f"{detail}; nobody has to log in for this profile", kind=kind)
    return warning(
        "keyring",
        "vault_in_memory",
        detail,
        "log in again whenever the daemon has ended, or start it where there is an OS keyring"
        " (Secret Service, KWallet) and AGENTKEYS_VAULT is not set",
        kind=kind,
    )


_PROTECTIONS = {
    "core_dumps_off": (
        "core_dumps_on",
        "the daemon could leave its memory behind in a core dump",
        "see why its limit could not be set: agentkeys daemon logs",
    ),
    "ptrace_off": (
        "ptrace_on",
        "other processes of this user can read the daemon's memory",
        "see why it could not be closed to them: agentkeys daemon logs",
    ),
}


def examine_memory(hardening: Mapping[str, bool] | None, *, has_swap: bool) -> Finding:
    """Who could read the daemon's memory; `hardening` is what its health tells of that."""
    if hardening is None:
        return skipped("memory", "the daemon does not tell how its memory is protected")
    facts = {**hardening, "has_swap": has_swap}
    for name, (code, message, hint) in _PROTECTIONS.items():
        if not hardening.get(name):
            return warning("memory", code, message, hint, **facts)
    if hardening.get("memory_locked"):
        return ok(
            "memory", "no core dumps, no other process reads it, none of it is swapped", **facts
        )
    if has_swap:
        return warning(
            "memory",
            "memory_not_locked",
            "the daemon's memory is not locked, and this machine swaps",
            "raise RLIMIT_MEMLOCK (LimitMEMLOCK=infinity) for the daemon, or encrypt the swap",
            **facts,
        )
    return ok(
        "memory",
        "no core dumps, no other process reads it; it is not locked, and there is no swap",
        **facts,
    )


def examine_ledger(
    trouble: AuditError | None,
    *,
    is_required: bool,
    head_trouble: AgentkeysError | None,
    facts: Mapping[str, Any],
) -> Finding:
    """Whether what happens is written down; `facts` are told beside.

    `head_trouble` is why the head of its chain, which shows a ledger cut short, is not kept.
    """
    facts = {**facts, "required": is_required}
    if trouble is None and head_trouble is not None:
        return _said(
            warning,
            head_trouble,
            "ledger_head_unkept",
            "; a ledger that is cut short would not show it",
            facts,
        )
    if trouble is None:
        return ok("ledger", "what happens is written down", **facts)
    if is_required:
        return _said(failed, trouble, "audit_required", "; nobody is served meanwhile", facts)
    return _said(
        warning, trouble, "ledger_unwritten", "; credentials are served all the same", facts
    )


def _said(
    how: Any, trouble: AgentkeysError, code: str, effect: str, facts: Mapping[str, Any]
) -> Finding:
    found: Finding = how("ledger", code, trouble.message + effect, trouble.hint, **facts)
    return found
