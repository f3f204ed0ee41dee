"""Which names a user may give to variables of a program under `exec`. Imports nothing."""

from __future__ import annotations

__all__ = ["has_own_meaning", "is_variable_name"]

_LETTERS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_")
_DIGITS = frozenset("0123456789")
_TAKEN = ("AWS_", "BOTO_", "AGENTKEYS_", "EC2_SECURITY_TOKEN")


def is_variable_name(text: str) -> bool:
    """Whether any shell takes it for one."""
    return bool(text) and text[0] in _LETTERS and set(text) <= _LETTERS | _DIGITS


def has_own_meaning(name: str) -> bool:
    """Whether AWS clients or agentkeys itself read the variable."""
    return name.startswith(_TAKEN)
