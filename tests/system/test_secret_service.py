"""The vault against a real GNOME Keyring, which nobody is there to unlock."""

from __future__ import annotations

import asyncio
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from agentkeys.errors import VaultLocked, VaultUnavailable
from agentkeys.secret import Secret
from agentkeys.vault import OpenedVault, Vault, open_vault
from agentkeys.vault.keyring_vault import KeyringVault
from tests.contracts.vault_suite import VaultContract, play
from tests.system.secret_service import SecretService

PATIENT = timedelta(seconds=30)
SMALL = """
from agentkeys.vault.backends import find_backend
from agentkeys.vault.helper import main
main(find=lambda kind: find_backend(kind)._replace(largest=2560))
"""


def vault_of(service: SecretService, limit: timedelta = PATIENT) -> KeyringVault:
    return KeyringVault(environment=service.environment, limit=limit)


class TestSecretService(VaultContract):
    @pytest.fixture
    def vault(self, keyring: SecretService) -> Vault:
        return vault_of(keyring)


class TestSecretServiceInParts(VaultContract):
    """As if an entry of it could not have more than 2560 bytes; each step has two seconds."""

    @pytest.fixture
    def vault(self, keyring: SecretService) -> Vault:
        command = (sys.executable, "-I", "-c", SMALL)
        return KeyringVault(environment=keyring.environment, command=command)


async def load(vault: Vault) -> Secret | None:
    return await vault.load("me@lab")


async def save(vault: Vault) -> None:
    await vault.save("me@lab", Secret("s3cr3t"))


def test_a_restarted_daemon_finds_what_it_kept(keyring: SecretService) -> None:
    """Blobs outlive the helper and the vault that saved them."""
    play(vault_of(keyring), save)
    assert play(vault_of(keyring), load) == Secret("s3cr3t")


def test_nothing_is_in_the_clear(keyring: SecretService, tmp_path: Path) -> None:
    """No file of the user's holds the secret in readable form."""
    play(vault_of(keyring), save)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert any(path.suffix == ".keyring" for path in files)
    assert not any(b"s3cr3t" in path.read_bytes() for path in files)


def test_a_locked_collection_is_locked_for_every_call(keyring: SecretService) -> None:
    """Nothing waits at a prompt, and nothing takes the lock for an empty keyring."""

    async def story(vault: Vault) -> None:
        await save(vault)
        keyring.lock()
        for call in (load(vault), save(vault), vault.delete("me@lab")):
            with pytest.raises(VaultLocked):
                await call

    play(vault_of(keyring), story)


def test_a_stopped_keyring_is_unavailable_until_it_goes_on(keyring: SecretService) -> None:
    """A keyring that hangs costs one limit a call, and is used again once it answers."""

    async def story(vault: Vault) -> Secret | None:
        await save(vault)
        keyring.pause()
        with pytest.raises(VaultUnavailable, match="did not answer within 2 s"):
            await load(vault)
        keyring.resume()
        return await load(vault)

    assert play(vault_of(keyring, timedelta(seconds=2)), story) == Secret("s3cr3t")


def test_an_unlocked_collection_is_used_again(keyring: SecretService) -> None:
    """Through the same vault."""

    async def story(vault: Vault) -> Secret | None:
        await save(vault)
        keyring.lock()
        with pytest.raises(VaultLocked):
            await load(vault)
        keyring.unlock("pw")
        return await load(vault)

    assert play(vault_of(keyring), story) == Secret("s3cr3t")


def test_a_keyring_that_was_restarted_is_used_again(keyring: SecretService) -> None:
    """While it is gone every call fails, and none finds that there is nothing."""

    async def story(vault: Vault) -> Secret | None:
        await save(vault)
        keyring.stop_keyring()
        for call in (load(vault), save(vault), vault.delete("me@lab")):
            with pytest.raises(VaultUnavailable):
                await call
        keyring.start_keyring(password="pw")
        return await load(vault)

    assert play(vault_of(keyring), story) == Secret("s3cr3t")


def test_a_keyring_without_a_collection_is_empty_and_takes_nothing(bus: SecretService) -> None:
    """Where a person has yet to create a collection, loads find nothing and saves say so."""
    bus.start_keyring(password=None)

    async def story(vault: Vault) -> None:
        assert await load(vault) is None
        await vault.delete("me@lab")
        with pytest.raises(VaultUnavailable, match="no default collection"):
            await save(vault)

    play(vault_of(bus), story)


def opened(service: SecretService, limit: timedelta = PATIENT) -> OpenedVault:
    """What `open_vault` finds on this bus, closed again."""

    async def story() -> OpenedVault:
        found = await open_vault(environment=service.environment, limit=limit, patience=PATIENT)
        await found.vault.aclose()
        return found

    return asyncio.run(story())


def test_opening_finds_the_keyring(keyring: SecretService) -> None:
    """The Secret Service is recognised and named."""
    found = opened(keyring)
    assert found.vault.kind == "secret-service"
    assert found.detail == "sessions and leases are kept in the OS keyring (secret-service)"


def test_opening_a_locked_keyring_is_no_reason_for_memory(keyring: SecretService) -> None:
    """The vault stays the keyring, and the detail says that it is locked."""
    keyring.lock()
    found = opened(keyring)
    assert found.vault.kind == "secret-service"
    assert found.detail.startswith("the OS keyring is locked; ")


def test_opening_a_stopped_keyring_is_no_reason_for_memory(keyring: SecretService) -> None:
    """The first call gives up after the limit and leaves the question to later ones."""
    keyring.pause()
    found = opened(keyring, timedelta(seconds=2))
    assert found.vault.kind == "keyring"
    assert found.detail.startswith("the OS keyring did not answer within 2 s; ")


def test_a_bus_without_a_keyring_means_memory(bus: SecretService) -> None:
    """Where no keyring runs nor could be started, memory is used and its price named."""
    found = opened(bus)
    assert found.vault.kind == "memory"
    assert found.detail == (
        "no OS keyring answers here, so sessions and leases end with the daemon"
    )
