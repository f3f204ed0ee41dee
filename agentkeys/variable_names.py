"""Which names a user may give to variables of a program under `exec`. Imports nothing."""

from __future__ import annotations

__all__ = ["has_own_meaning", "is_variable_name", "may_lead_to_mint"]

_LETTERS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_")
_DIGITS = frozenset("0123456789")
# What the broker's own clients read; programs under exec have no use for them otherwise.
_OF_OLD_CALLERS = frozenset({"AGENTKEYS_BROKER_URL", "AGENTKEYS_SESSION"})
_TAKEN = ("AWS_", "BOTO_", "AGENTKEYS_", "EC2_SECURITY_TOKEN")


def is_variable_name(text: str) -> bool:
    """Whether any shell takes it for one."""
    return bool(text) and text[0] in _LETTERS and set(text) <= _LETTERS | _DIGITS


def has_own_meaning(name: str) -> bool:
    """Whether AWS clients or agentkeys itself read the variable."""
    return name.startswith(_TAKEN)


def may_lead_to_mint(name: str) -> bool:
    """Whether a caller of the broker's old endpoint may find its address or token in it."""
    return name in _OF_OLD_CALLERS or not has_own_meaning(name)
