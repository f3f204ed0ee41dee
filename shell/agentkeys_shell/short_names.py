"""Wallets and omnis as people recognise them. Imports nothing: a prompt shows them too."""

from __future__ import annotations

__all__ = ["short_name"]


def short_name(subject: str) -> str:
    """By both of its ends; what is short already stays whole."""
    return subject if len(subject) <= 14 else f"{subject[:6]}…{subject[-4:]}"
