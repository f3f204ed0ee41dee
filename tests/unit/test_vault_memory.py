"""The vault of a machine without a keyring."""

from __future__ import annotations

import asyncio

import pytest

from agentkeys.secret import Secret
from agentkeys.vault import Vault
from agentkeys.vault.memory import MemoryVault
from tests.contracts.vault_suite import VaultContract


class TestMemoryVault(VaultContract):
    @pytest.fixture
    def vault(self) -> Vault:
        return MemoryVault()


def test_closing_forgets() -> None:
    """A closed memory vault holds no secret any more."""

    async def story() -> Secret | None:
        vault = MemoryVault()
        await vault.save("me@lab", Secret("blob"))
        await vault.aclose()
        return await vault.load("me@lab")

    assert asyncio.run(story()) is None


def test_it_says_what_it_is() -> None:
    """Its kind tells a status line that nothing outlives the daemon."""
    assert MemoryVault().kind == "memory"
