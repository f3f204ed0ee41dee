"""Our entries in a keyring of the keyring library."""

from __future__ import annotations

from collections.abc import Callable

from keyring.backend import KeyringBackend
from keyring.errors import PasswordDeleteError

__all__ = ["SERVICE", "KeyringEntries"]

SERVICE = "agentkeys-daemon"
"""Under which a person finds them."""


class KeyringEntries:
    """Entries by name; `working` hears of every answer that the keyring has given."""

    def __init__(self, keyring: KeyringBackend, *, working: Callable[[], None]) -> None:
        self._keyring = keyring
        self._working = working

    def get(self, name: str) -> str | None:
        text = self._keyring.get_password(SERVICE, name)
        self._working()
        return text

    def put(self, name: str, text: str) -> None:
        self._keyring.set_password(SERVICE, name, text)
        self._working()

    def remove(self, name: str) -> None:
        try:
            self._keyring.delete_password(SERVICE, name)
        except PasswordDeleteError:
            # Backends say "could not" and "was not there" in the same words.
            if self._keyring.get_password(SERVICE, name) is not None:
                raise
        self._working()
