"""A session bus and a GNOME Keyring of our own, real processes in a folder of their own."""

from __future__ import annotations

import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import secretstorage
from jeepney import (  # type: ignore[import-untyped]  # has no annotations
    DBusAddress,
    MatchRule,
    MessageType,
    message_bus,
    new_method_call,
)
from jeepney.io.blocking import (  # type: ignore[import-untyped]
    DBusConnection,
    Proxy,
    open_dbus_connection,
)

__all__ = ["NEEDED", "SecretService", "missing_packages"]

NEEDED = {"dbus-daemon": "dbus", "gnome-keyring-daemon": "gnome-keyring"}
"""Programs, and the Debian packages that bring them."""

_NAME = "org.freedesktop.secrets"
_SERVICE = "org.freedesktop.Secret.Service"
_UNATTENDED = "org.gnome.keyring.InternalUnsupportedGuiltRiddenInterface"
_PATIENCE = 30  # seconds
# Without the machine's own service files: the bus must not start a keyring by itself.
_BUS = """<busconfig>
  <type>session</type><listen>unix:path={folder}/bus</listen><auth>EXTERNAL</auth>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/>
  </policy>
</busconfig>"""


def missing_packages() -> list[str]:
    """The Debian packages to install before a SecretService can start."""
    return [package for program, package in NEEDED.items() if shutil.which(program) is None]


class SecretService:
    """A session bus in `folder`, which is also HOME; it has a keyring once one is started."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._bus = self._start_bus()
        self._keyring: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop_keyring()
        _end(self._bus)

    @property
    def environment(self) -> Mapping[str, str]:
        """What a program needs to find this bus and no other."""
        return {
            "HOME": str(self._folder),
            "XDG_RUNTIME_DIR": str(self._folder),
            "DBUS_SESSION_BUS_ADDRESS": f"unix:path={self._folder}/bus",
        }

    def start_keyring(self, *, password: str | None) -> None:
        """Starts GNOME Keyring; a password makes a default collection and leaves it unlocked."""
        with self.connection() as bus:
            self._keyring = subprocess.Popen(
                self._keyring_command(unlocks=password is not None),
                env=self.environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            assert self._keyring.stdin is not None
            with self._keyring.stdin as stdin:
                stdin.write((password or "").encode())
            _wait_for_keyring(bus)

    def stop_keyring(self) -> None:
        """The keyring is gone from the bus; what it keeps stays on disk, locked."""
        if self._keyring is not None:
            _end(self._keyring)
            self._keyring = None

    def lock(self) -> None:
        """Locks the default collection, as a screen lock or a time-out would."""
        with self.connection() as bus:
            secretstorage.Collection(bus).lock()

    def unlock(self, password: str) -> None:
        """Unlocks the default collection, as its prompt would if somebody were there."""
        with self.connection() as bus:
            _, session = _call(bus, "OpenSession", "sv", "plain", ("s", ""))
            secret = (session, b"", password.encode(), "text/plain")
            collection = secretstorage.Collection(bus).collection_path
            _call(bus, "UnlockWithMasterPassword", "o(oayays)", collection, secret)

    def pause(self) -> None:
        """The keyring stays where it is and answers nothing any more."""
        self._signal_keyring(signal.SIGSTOP)

    def resume(self) -> None:
        """Takes a pause back."""
        self._signal_keyring(signal.SIGCONT)

    def pause_bus(self) -> None:
        """The whole session bus answers nothing any more."""
        self._bus.send_signal(signal.SIGSTOP)

    def _signal_keyring(self, number: signal.Signals) -> None:
        if self._keyring is not None:
            self._keyring.send_signal(number)

    def _start_bus(self) -> subprocess.Popen[bytes]:
        config = self._folder / "bus.conf"
        config.write_text(_BUS.format(folder=self._folder))
        bus = subprocess.Popen(
            ["dbus-daemon", f"--config-file={config}", "--nofork", "--print-address"],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        assert bus.stdout is not None
        with bus.stdout as stdout:
            assert stdout.readline(), "dbus-daemon did not start"
        return bus

    def _keyring_command(self, *, unlocks: bool) -> list[str]:
        control = f"--control-directory={self._folder}/control"
        command = ["gnome-keyring-daemon", "--foreground", "--components=secrets", control]
        return [*command, "--unlock"] if unlocks else command

    @contextmanager
    def connection(self) -> Iterator[DBusConnection]:
        with open_dbus_connection(self.environment["DBUS_SESSION_BUS_ADDRESS"]) as connection:
            yield connection


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()  # a stopped process too
    process.wait()


def _call(bus: DBusConnection, method: str, signature: str, *arguments: object) -> Any:
    """What the Secret Service, or GNOME Keyring's addition to it, answers."""
    interface = _UNATTENDED if method == "UnlockWithMasterPassword" else _SERVICE
    address = DBusAddress("/org/freedesktop/secrets", bus_name=_NAME, interface=interface)
    call = new_method_call(address, method, signature, arguments)
    answer = bus.send_and_get_reply(call, timeout=_PATIENCE)
    assert answer.header.message_type is MessageType.method_return, answer.body
    return answer.body


def _wait_for_keyring(bus: DBusConnection) -> None:
    owned = MatchRule(type="signal", interface=message_bus.interface, member="NameOwnerChanged")
    owned.add_arg_condition(0, _NAME)
    proxy = Proxy(message_bus, bus)
    proxy.AddMatch(owned)
    with bus.filter(owned) as changes:
        if not proxy.NameHasOwner(_NAME)[0]:
            bus.recv_until_filtered(changes, timeout=_PATIENCE)
