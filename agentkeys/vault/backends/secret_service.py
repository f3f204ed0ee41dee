"""GNOME Keyring, KeePassXC and whatever else serves org.freedesktop.secrets."""

from __future__ import annotations

import secretstorage
from keyring.backends.SecretService import Keyring
from keyring.errors import KeyringLocked

from agentkeys.vault.backends import NoCollection

__all__ = ["TrustedKeyring"]


class TrustedKeyring(Keyring):
    """The default collection; locked is an error, never a prompt."""

    appid = "agentkeys"

    def get_preferred_collection(self) -> secretstorage.Collection:
        """Raises KeyringLocked and NoCollection; the caller closes the collection's connection."""
        bus = secretstorage.dbus_init()
        try:
            return _unlocked(secretstorage.Collection(bus))
        except secretstorage.ItemNotFoundException as error:
            bus.close()
            raise NoCollection("there is no default collection") from error
        except BaseException:
            bus.close()
            raise

    def unlock(self, item: secretstorage.Item) -> None:
        if item.is_locked():
            raise KeyringLocked("the item is locked")


def _unlocked(collection: secretstorage.Collection) -> secretstorage.Collection:
    if collection.is_locked():
        raise KeyringLocked("the default collection is locked")
    return collection
