"""Vaults in memory that fail or wait when a test tells them to."""

from __future__ import annotations

import asyncio
from enum import Enum

from agentkeys.errors import VaultError, VaultLocked, VaultUnavailable
from agentkeys.secret import Secret
from agentkeys.vault.memory import MemoryVault

__all__ = ["Fault", "FaultyVault", "FragileVault"]


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


class Fault(Enum):
    """What a keyring does instead of what it was asked."""

    LOCKED = "locked"
    REFUSES = "refuses"
    HANGS = "hangs"
    """Until `let_go`; then the time is up."""
    TOO_LATE = "too late"
    """It does as it was asked, but nobody hears of it: the time was up."""


class FaultyVault(MemoryVault):
    """Has a fault at the calls whose numbers, from 1, are in `faults`."""

    kind = "faulty"

    def __init__(self, faults: dict[int, Fault]) -> None:
        super().__init__()
        self.faults = faults
        self.calls = 0
        self.let_go = asyncio.Event()

    @property
    def has_failed(self) -> bool:
        """Whether the last call did."""
        return self.calls in self.faults

    async def load(self, account: str) -> Secret | None:
        fault = self._next()
        await self._before(fault)
        return await super().load(account)

    async def save(self, account: str, blob: Secret) -> None:
        fault = self._next()
        if fault is Fault.TOO_LATE:
            await super().save(account, blob)
        await self._before(fault)
        await super().save(account, blob)

    async def delete(self, account: str) -> None:
        fault = self._next()
        if fault is Fault.TOO_LATE:
            await super().delete(account)
        await self._before(fault)
        await super().delete(account)

    def _next(self) -> Fault | None:
        self.calls += 1
        return self.faults.get(self.calls)

    async def _before(self, fault: Fault | None) -> None:
        match fault:
            case Fault.LOCKED:
                raise VaultLocked("the OS keyring is locked")
            case Fault.REFUSES:
                raise VaultUnavailable("the OS keyring failed: PasswordSetError")
            case Fault.HANGS:
                await self.let_go.wait()
                raise VaultUnavailable("the OS keyring did not answer within 2 s")
            case Fault.TOO_LATE:
                raise VaultUnavailable("the OS keyring did not answer within 2 s")
