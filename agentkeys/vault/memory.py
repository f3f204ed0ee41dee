"""The vault of a machine without a keyring."""

from __future__ import annotations

from collections.abc import Mapping

from agentkeys.secret import Secret

__all__ = ["MemoryVault"]


class MemoryVault:
    """Keeps blobs until it is closed, and nowhere else."""

    kind = "memory"

    def __init__(self, blobs: Mapping[str, Secret] | None = None) -> None:
        """`blobs` are those of an earlier one, by account."""
        self._blobs = dict(blobs or {})

    @property
    def blobs(self) -> Mapping[str, Secret]:
        """All that it keeps, by account: for the vault that comes after it."""
        return dict(self._blobs)

    async def load(self, account: str) -> Secret | None:
        return self._blobs.get(account)

    async def save(self, account: str, blob: Secret) -> None:
        self._blobs[account] = blob

    async def delete(self, account: str) -> None:
        self._blobs.pop(account, None)

    async def aclose(self) -> None:
        self._blobs.clear()
