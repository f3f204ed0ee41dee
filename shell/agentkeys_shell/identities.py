"""Names an identity to the daemon."""

from __future__ import annotations

from agentkeys.protocol import DEFAULT, quote_name

__all__ = ["identity_path"]


def identity_path(name: str | None, part: str = "") -> str:
    """The path of an identity, or of its `part`; without a name, the default profile's identity."""
    path = f"/v1/identities/{quote_name(name or DEFAULT)}"
    return f"{path}/{part}" if part else path
