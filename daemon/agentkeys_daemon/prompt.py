"""What a shell's prompt is told of a profile: one line of plain text, made from its status.

A prompt is drawn with every command, and reading JSON would take longer than all else that its
program does.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["prompt_line"]

_OUT = ("none", "expired", "refused")
"""The states of a session that credentials can no longer be minted with."""


def prompt_line(status: Mapping[str, Any]) -> str:
    """Four fields with TABs between: the profile, who that is, seconds left and the state.

    `status` is the document of one profile. Who and the seconds are empty where they are not known.
    The state is `login` where somebody has to log in, though a lease may last a while yet; else
    `valid`, `expired`, or `none` where nothing has been minted.
    """
    (profile,), (identity,) = status["profiles"], status["identities"]
    left = profile["expires_in_seconds"]
    who = identity["wallet"] or identity["subject"] or ""
    return f"{profile['name']}\t{who}\t{'' if left is None else left}\t{_state(identity, left)}\n"


def _state(identity: Mapping[str, Any], left: int | None) -> str:
    # A sandbox's made-up user logs in by itself.
    if identity["session"] in _OUT and identity["source"] != "sandbox":
        return "login"
    if left is None:
        return "none"
    return "valid" if left > 0 else "expired"
