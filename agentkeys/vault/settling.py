"""The vault of a machine that may have a keyring: which it is shows when the keyring answers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from datetime import timedelta
from typing import TypeVar

from agentkeys.errors import VaultError
from agentkeys.secret import Secret
from agentkeys.vault import Vault
from agentkeys.vault.keyring_vault import KeyringVault
from agentkeys.vault.memory import MemoryVault
from agentkeys.vault.telling import KeyringMissing, in_keyring, in_memory

__all__ = ["SettlingVault"]

T = TypeVar("T")

_NEVER_SAVED = "probe"


class SettlingVault:
    """The OS keyring, until it is certain that this machine has none; memory from then on.

    A keyring that has answered once, be it that it is locked, stays the vault for ever: its calls
    raise until it does its work again, since going on in memory would hide the lock and lose what
    is minted meanwhile.
    """

    def __init__(
        self, keyring: KeyringVault, *, earlier: Mapping[str, Secret] | None = None
    ) -> None:
        """`earlier` is what an earlier daemon held, where this machine has no keyring."""
        self._keyring = keyring
        self._earlier = earlier
        self._memory: MemoryVault | None = None
        self._why_memory = ""
        self._first: asyncio.Task[None] | None = None
        self._turning: asyncio.Task[None] | None = None

    @property
    def kind(self) -> str:
        return self._vault.kind

    @property
    def blobs(self) -> Mapping[str, Secret]:
        """What memory alone keeps, by account."""
        if self._memory:
            return self._memory.blobs
        # Not known yet whether there is a keyring: what was handed to us goes on to the next.
        return {} if self._keyring.has_answered else self._earlier or {}

    @property
    def detail(self) -> str:
        """Where things are kept and what is lost, as of now."""
        if self._memory is not None:
            return in_memory(self._why_memory)
        return in_keyring(self._keyring.kind, self._keyring.trouble)

    async def settle(self, *, patience: timedelta) -> None:
        """Asks the keyring for the first time, and waits for it no longer than `patience`.

        Its answer counts whenever it comes: a slow machine is not one without a keyring.
        """
        self._first = asyncio.create_task(self._ask_first())
        answered, _ = await asyncio.wait({self._first}, timeout=patience.total_seconds())
        for first in answered:
            first.result()

    async def load(self, account: str) -> Secret | None:
        return await self._do(lambda vault: vault.load(account))

    async def save(self, account: str, blob: Secret) -> None:
        await self._do(lambda vault: vault.save(account, blob))

    async def delete(self, account: str) -> None:
        await self._do(lambda vault: vault.delete(account))

    async def aclose(self) -> None:
        if self._first is not None:
            self._first.cancel()
        if self._turning is not None:
            await self._turning
        await self._keyring.aclose()
        if self._memory is not None:
            await self._memory.aclose()

    @property
    def _vault(self) -> Vault:
        return self._memory or self._keyring

    async def _ask_first(self) -> None:
        with suppress(VaultError):
            await self.load(_NEVER_SAVED)

    async def _do(self, call: Callable[[Vault], Awaitable[T]]) -> T:
        try:
            return await call(self._vault)
        except KeyringMissing as problem:
            if self._keyring.has_answered:
                raise
            await self._turn_to_memory(problem)
            return await call(self._vault)

    async def _turn_to_memory(self, problem: KeyringMissing) -> None:
        if self._memory is None:  # another caller may have come first
            self._memory = MemoryVault(self._earlier)
            self._why_memory = problem.message
            # Whoever is cancelled meanwhile must not leave the helper half closed.
            self._turning = asyncio.create_task(self._keyring.aclose())
            await asyncio.shield(self._turning)
