"""A vault in memory that fails or waits when a test tells it to."""

from __future__ import annotations

import asyncio

from agentkeys.errors import VaultError
from agentkeys.secret import Secret
from agentkeys.vault.memory import MemoryVault

__all__ = ["FragileVault"]


class FragileVault(MemoryVault):
    """Raises `problem` while there is one; waits while `open` is not set; counts what it does."""

    kind = "fragile"

    def __init__(self) -> None:
        super().__init__()
        self.problem: VaultError | None = None
        self.open = asyncio.Event()
        self.open.set()
        self.loads = 0
        self.saves = 0
        self.deletes = 0

    async def load(self, account: str) -> Secret | None:
        self.loads += 1
        await self._pass()
        return await super().load(account)

    async def save(self, account: str, blob: Secret) -> None:
        self.saves += 1
        await self._pass()
        await super().save(account, blob)

    async def delete(self, account: str) -> None:
        self.deletes += 1
        await self._pass()
        await super().delete(account)

    async def _pass(self) -> None:
        await self.open.wait()
        if self.problem:
            raise self.problem
