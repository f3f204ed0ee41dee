"""The vault of a machine without a keyring."""

from __future__ import annotations

from agentkeys.secret import Secret

__all__ = ["MemoryVault"]


class MemoryVault:
    """Keeps blobs until it is closed, and nowhere else."""

    kind = "memory"

    def __init__(self) -> None:
        self._blobs: dict[str, Secret] = {}

    async def load(self, account: str) -> Secret | None:
        return self._blobs.get(account)

    async def save(self, account: str, blob: Secret) -> None:
        self._blobs[account] = blob

    async def delete(self, account: str) -> None:
        self._blobs.pop(account, None)

    async def aclose(self) -> None:
        self._blobs.clear()
