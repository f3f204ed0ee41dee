"""Where sessions and leases are kept, so that a restarted daemon serves at once.

A vault keeps one blob per account. It is the OS keyring (`keyring_vault`) or, where there is
none, the daemon's own memory (`memory`); `open_vault` picks, and `settling` changes to memory
when it only shows later that there is no keyring. The keyring library is imported in a process of
its own alone (`helper`, with `entries`, `chunks` and `backends`), because a keyring may block for
ever.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol

from agentkeys.secret import Secret

if TYPE_CHECKING:
    from agentkeys.vault.opening import open_vault

__all__ = ["OpenedVault", "Vault", "open_vault"]


class Vault(Protocol):
    """Keeps one opaque text per account, up to 100 kB of UTF-8 without NUL.

    Every call raises VaultLocked while only a person can open the keyring, and VaultUnavailable
    when the keyring fails or takes too long; the next call asks it again.
    """

    @property
    def kind(self) -> str:
        """memory, secret-service, libsecret, kwallet or keychain; keyring until one answered."""
        ...

    async def load(self, account: str) -> Secret | None:
        """What was saved last; None means that there certainly is nothing."""
        ...

    async def save(self, account: str, blob: Secret) -> None:
        """Replaces whatever the account held."""
        ...

    async def delete(self, account: str) -> None:
        """Leaves nothing under the account; it need not have held anything."""
        ...

    async def aclose(self) -> None:
        """Ends what the vault runs; what the OS keyring holds stays there."""
        ...


@dataclass(frozen=True, slots=True)
class OpenedVault:
    """A vault, and what people are told of it."""

    vault: Vault
    tell: Callable[[], str]
    in_memory: Callable[[], Mapping[str, Secret]] = dict
    """What it keeps in memory alone, by account."""

    @property
    def detail(self) -> str:
        """One sentence, true now: where things are kept and what is lost, if anything."""
        return self.tell()


def __getattr__(name: str) -> Any:
    # The helper imports this package too, and has no use for asyncio.
    if name == "open_vault":
        return import_module("agentkeys.vault.opening").open_vault
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
