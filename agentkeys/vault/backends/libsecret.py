"""The Secret Service through GObject introspection, for buses that only libdbus can reach."""

from __future__ import annotations

from keyring.backends import libsecret
from keyring.errors import KeyringLocked

from agentkeys.vault.backends import NoCollection

__all__ = ["TrustedKeyring"]


# The backend has no annotations, hence the ignores.
class TrustedKeyring(libsecret.Keyring):
    """The default collection; locked is an error, never a prompt."""

    appid = "agentkeys"

    def get_password(self, service: str, username: str) -> str | None:
        _refuse_locked()
        found: str | None = super().get_password(service, username)  # type: ignore[no-untyped-call]
        return found

    def set_password(self, service: str, username: str, password: str) -> None:
        _refuse_locked()
        super().set_password(service, username, password)  # type: ignore[no-untyped-call]

    def delete_password(self, service: str, username: str) -> None:
        _refuse_locked()
        super().delete_password(service, username)  # type: ignore[no-untyped-call]


def _refuse_locked() -> None:
    secret = libsecret.Secret  # type: ignore[attr-defined]  # imported only where it is installed
    service = secret.Service.get_sync(secret.ServiceFlags.NONE, None)
    collection = secret.Collection.for_alias_sync(
        service, secret.COLLECTION_DEFAULT, secret.CollectionFlags.NONE, None
    )
    if collection is None:
        raise NoCollection("there is no default collection")
    if collection.get_locked():
        raise KeyringLocked("the default collection is locked")
