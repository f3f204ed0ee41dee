"""The macOS Keychain."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from keyring.backends import macOS
from keyring.errors import KeyringError, KeyringLocked

__all__ = ["TrustedKeyring"]

_INTERACTION_NOT_ALLOWED = -25308  # what a locked keychain answers where no prompt can be shown


class TrustedKeyring(macOS.Keyring):
    """The login keychain; macOS decides by itself whether it prompts."""

    def get_password(self, service: str, username: str | None) -> str | None:
        with _locked_told_apart():
            found: str | None = super().get_password(service, username)
            return found

    def set_password(self, service: str, username: str | None, password: str) -> None:
        with _locked_told_apart():
            super().set_password(service, username, password)

    def delete_password(self, service: str, username: str | None) -> None:
        with _locked_told_apart():
            super().delete_password(service, username)


@contextmanager
def _locked_told_apart() -> Iterator[None]:
    try:
        yield
    except KeyringError as error:
        status = error.__cause__.args[:1] if error.__cause__ else ()
        if status == (_INTERACTION_NOT_ALLOWED,):
            raise KeyringLocked("the keychain is locked") from error
        raise
