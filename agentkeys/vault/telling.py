"""What people are told: why a keyring did not do its work, and what that costs them."""

from __future__ import annotations

from datetime import timedelta

from agentkeys.errors import VaultError, VaultLocked, VaultUnavailable
from agentkeys.vault.helper_process import HelperBroken, Refused

__all__ = [
    "NOT_YET",
    "KeyringMissing",
    "broken",
    "in_keyring",
    "in_memory",
    "refusal",
    "too_slow",
]

_OR_MEMORY = "or set AGENTKEYS_VAULT=memory to do without"


class KeyringMissing(VaultUnavailable):
    """No keyring that we trust works on this machine."""


NOT_YET = VaultUnavailable("the OS keyring has not answered yet", hint=f"wait, {_OR_MEMORY}")


def too_slow(limit: timedelta) -> VaultUnavailable:
    return VaultUnavailable(
        f"the OS keyring did not answer within {limit.total_seconds():g} s",
        hint=f"answer its prompt or restart its service, {_OR_MEMORY}",
    )


def broken(error: HelperBroken) -> VaultUnavailable:
    return VaultUnavailable(f"the keyring helper failed: {error}", hint=f"try again, {_OR_MEMORY}")


def refusal(answer: Refused) -> VaultError:
    match answer.reason:
        case "missing":
            return KeyringMissing("no OS keyring answers here", hint=f"start one, {_OR_MEMORY}")
        case "locked":
            return VaultLocked("the OS keyring is locked", hint=f"unlock it, {_OR_MEMORY}")
        case "homeless":
            return VaultUnavailable(
                "the OS keyring has no default collection to save to",
                hint=f"create one in its own program, such as seahorse, {_OR_MEMORY}",
            )
    return VaultUnavailable(
        f"the OS keyring failed: {answer.because}", hint=f"restart its service, {_OR_MEMORY}"
    )


def in_memory(reason: str) -> str:
    """The sentence of a machine without a keyring."""
    return f"{reason}, so sessions and leases end with the daemon"


def in_keyring(kind: str, trouble: VaultError | None) -> str:
    """The sentence of a machine with one; `trouble` is what keeps it from its work."""
    if trouble is None:
        return f"sessions and leases are kept in the OS keyring ({kind})"
    return (
        f"{trouble.message}; until that changes, what it keeps is out of reach "
        "and what is new ends with the daemon"
    )
