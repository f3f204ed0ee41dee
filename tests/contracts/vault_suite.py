"""What every vault promises. A subclass says, in a fixture called `vault`, which one to try."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import pytest

from agentkeys.secret import Secret
from agentkeys.vault import Vault

__all__ = ["VaultContract", "play"]

T = TypeVar("T")

SIZES = (10, 9_000, 3_000, 6_000, 10)
"""Around the 2560 bytes that the smallest keyrings have for an entry."""


def play(vault: Vault, story: Callable[[Vault], Awaitable[T]]) -> T:
    """Plays the story in an event loop of its own and closes the vault."""

    async def closing() -> T:
        try:
            return await story(vault)
        finally:
            await vault.aclose()

    return asyncio.run(closing())


class VaultContract:
    @pytest.fixture
    def vault(self) -> Vault:
        raise NotImplementedError

    def test_a_saved_blob_is_loaded_again(self, vault: Vault) -> None:
        """What was saved under an account is what is loaded from it."""
        assert play(vault, _save_and_load(Secret('{"session": "s3cr3t"}'))) == Secret(
            '{"session": "s3cr3t"}'
        )

    def test_the_last_save_counts(self, vault: Vault) -> None:
        """A second save replaces the first."""

        async def story(vault: Vault) -> Secret | None:
            await vault.save("me@lab", Secret("a longer first blob"))
            await vault.save("me@lab", Secret("second"))
            return await vault.load("me@lab")

        assert play(vault, story) == Secret("second")

    def test_sizes_may_change(self, vault: Vault) -> None:
        """Each save counts as a whole, and nothing of a longer one shines through."""
        blobs = [Secret(letter * size) for letter, size in zip("abcde", SIZES, strict=True)]

        async def story(vault: Vault) -> list[Secret | None]:
            loaded = []
            for blob in blobs:
                await vault.save("me@lab", blob)
                loaded.append(await vault.load("me@lab"))
            await vault.delete("me@lab")
            return [*loaded, await vault.load("me@lab")]

        assert play(vault, story) == [*blobs, None]

    def test_an_unknown_account_is_absent(self, vault: Vault) -> None:
        """An account that was never saved loads as None, not as an error."""

        async def story(vault: Vault) -> Secret | None:
            return await vault.load("nobody@lab")

        assert play(vault, story) is None

    def test_a_deleted_account_is_absent(self, vault: Vault) -> None:
        """Nothing is left of an account after a delete."""

        async def story(vault: Vault) -> Secret | None:
            await vault.save("me@lab", Secret("blob"))
            await vault.delete("me@lab")
            return await vault.load("me@lab")

        assert play(vault, story) is None

    def test_deleting_what_is_absent_is_fine(self, vault: Vault) -> None:
        """A delete promises absence, and so succeeds where there was nothing."""

        async def story(vault: Vault) -> None:
            await vault.delete("nobody@lab")

        play(vault, story)

    def test_accounts_do_not_see_each_other(self, vault: Vault) -> None:
        """Saving and deleting one account leaves another as it was."""

        async def story(vault: Vault) -> tuple[Secret | None, Secret | None]:
            await vault.save("me@lab", Secret("mine"))
            await vault.save("bot@lab", Secret("the bot's"))
            await vault.delete("me@lab")
            return await vault.load("me@lab"), await vault.load("bot@lab")

        assert play(vault, story) == (None, Secret("the bot's"))

    @pytest.mark.parametrize(
        "text",
        [
            pytest.param('zażółć 鍵 🔑 \u2028 \x01 \r\n"\\', id="unicode"),
            pytest.param("k" * 60_000, id="60 kB"),
            pytest.param("é" * 50_000, id="100 kB, not ASCII"),
            pytest.param("", id="empty"),
        ],
    )
    def test_blobs_are_opaque(self, vault: Vault, text: str) -> None:
        """Any text without NUL, up to 100 kB of UTF-8, comes back character for character."""
        loaded = play(vault, _save_and_load(Secret(text)))
        assert loaded is not None
        assert loaded.reveal() == text

    def test_calls_may_overlap(self, vault: Vault) -> None:
        """Concurrent calls each get their own answer."""
        accounts = [f"identity-{number}@lab" for number in range(12)]

        async def story(vault: Vault) -> list[Secret | None]:
            await asyncio.gather(*(vault.save(name, Secret(name)) for name in accounts))
            return await asyncio.gather(*(vault.load(name) for name in accounts))

        assert play(vault, story) == [Secret(name) for name in accounts]


def _save_and_load(blob: Secret) -> Callable[[Vault], Awaitable[Secret | None]]:
    async def story(vault: Vault) -> Secret | None:
        await vault.save("me@lab", blob)
        return await vault.load("me@lab")

    return story
