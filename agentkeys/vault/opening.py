"""Which vault serves this user on this machine."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Literal
from urllib.parse import quote

from agentkeys.secret import Secret
from agentkeys.vault import OpenedVault
from agentkeys.vault.keyring_vault import HELPER, LIMIT, KeyringVault
from agentkeys.vault.memory import MemoryVault
from agentkeys.vault.settling import SettlingVault
from agentkeys.vault.telling import in_memory

__all__ = ["find_session_bus", "open_vault"]

_SWITCHED_OFF = ("keyring.backends.null.Keyring", "keyring.backends.fail.Keyring")

PATIENCE = timedelta(seconds=1.5)
"""With what else a daemon has to do before it serves, this keeps its start within three seconds."""


async def open_vault(
    *,
    environment: Mapping[str, str],
    mode: Literal["auto", "memory"] = "auto",
    helper: Sequence[str] = HELPER,
    limit: timedelta = LIMIT,
    patience: timedelta = PATIENCE,
    earlier: Mapping[str, Secret] | None = None,
) -> OpenedVault:
    """The OS keyring if this machine has one, memory otherwise; never raises a VaultError.

    Waits for a keyring's first answer no longer than `patience`. What is opened then is a keyring
    until its answer shows that there is none. `helper` and `limit` are KeyringVault's; `earlier` is
    what another vault has kept in memory alone.
    """
    if mode == "memory":
        return _in_memory("the keyring is not used, as asked", earlier)
    if environment.get("PYTHON_KEYRING_BACKEND") in _SWITCHED_OFF:
        return _in_memory("PYTHON_KEYRING_BACKEND switches the OS keyring off", earlier)
    if sys.platform != "darwin" and find_session_bus(environment) is None:
        return _in_memory("no OS keyring answers here", earlier)
    keyring = KeyringVault(environment=_for_helper(environment), command=helper, limit=limit)
    vault = SettlingVault(keyring, earlier=earlier)
    await vault.settle(patience=patience)
    return OpenedVault(vault, lambda: vault.detail, lambda: vault.blobs)


def _in_memory(reason: str, earlier: Mapping[str, Secret] | None) -> OpenedVault:
    vault = MemoryVault(earlier)
    return OpenedVault(vault, lambda: in_memory(reason), lambda: vault.blobs)


def find_session_bus(environment: Mapping[str, str]) -> str | None:
    """The D-Bus address of the user's session, None where there is no session bus.

    It is named by DBUS_SESSION_BUS_ADDRESS or lies in XDG_RUNTIME_DIR, which is /run/user/<uid>
    unless the environment says otherwise.
    """
    if address := environment.get("DBUS_SESSION_BUS_ADDRESS"):
        return address
    bus = Path(environment.get("XDG_RUNTIME_DIR") or f"/run/user/{os.getuid()}", "bus")
    try:
        return f"unix:path={quote(str(bus))}" if bus.is_socket() else None
    except PermissionError:  # another user's folder, as after `sudo -E`
        return None


def _for_helper(environment: Mapping[str, str]) -> dict[str, str]:
    # KEYRING_PROPERTY_… may set any attribute of a backend, its collection and schema included.
    # Client secrets are none of its business either.
    kept = {
        name: value
        for name, value in environment.items()
        if "KEYRING" not in name and not name.startswith("AGENTKEYS_CLIENT_SECRET")
    }
    if bus := find_session_bus(environment):
        # The D-Bus library of the helper knows no other way to find the bus.
        kept["DBUS_SESSION_BUS_ADDRESS"] = bus
    return kept
