"""KDE's wallet."""

from __future__ import annotations

from keyring.backends import kwallet
from keyring.errors import KeyringLocked

__all__ = ["TrustedKeyring"]


# The backend has no annotations, hence the ignore.
class TrustedKeyring(kwallet.DBusKeyring):
    """The network wallet; closed is an error, never a prompt."""

    appid = "agentkeys"

    def connected(self, service: str) -> bool:
        """Raises KeyringLocked unless the wallet is open already."""
        if not _is_open(self.bus_name, self.object_path):
            raise KeyringLocked("the wallet is closed")
        return bool(super().connected(service))  # type: ignore[no-untyped-call]


def _is_open(bus_name: str, object_path: str) -> bool:
    dbus = kwallet.dbus  # type: ignore[attr-defined]  # imported only where it is installed
    # Without introspection: isOpen takes a name or a handle, and dbus-python would know only one.
    wallets = dbus.Interface(
        dbus.SessionBus().get_object(bus_name, object_path, introspect=False), "org.kde.KWallet"
    )
    return bool(wallets.isOpen(wallets.networkWallet()))
