"""The name under which a session appears in the store's own trail."""

from __future__ import annotations

import re

__all__ = ["role_session_name"]

_UNSAFE = re.compile(r"[^A-Za-z0-9._-]")
_SUFFIX = re.compile(r"[a-z0-9]{1,29}")


def role_session_name(owner: str, suffix: str) -> str:
    """`agentkeys-`, 24 safe characters of `owner`, `-` and `suffix`.

    `owner` is a wallet or a subject of any form; `suffix` the run's id or the Unix second, up to
    29 of a-z0-9, else ValueError. The name tells a trail's reader who it was and isolates nobody:
    any caller may choose any name.
    """
    if not _SUFFIX.fullmatch(suffix):
        raise ValueError("a role session name ends in a run id or a Unix second")
    return f"agentkeys-{_UNSAFE.sub('', owner)[:24]}-{suffix}"
