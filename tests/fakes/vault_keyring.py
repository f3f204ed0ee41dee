"""Real keyrings of the keyring library, small enough to see through."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from urllib.parse import quote

from keyring.backend import KeyringBackend
from keyring.errors import PasswordDeleteError

from agentkeys.vault.backends import Found
from agentkeys.vault.helper import main

__all__ = ["FolderKeyring", "ScriptedKeyring"]


class ScriptedKeyring(KeyringBackend):
    """Keeps passwords in memory, and raises `error` instead if there is one."""

    priority = -1

    def __init__(self, error: Exception | None = None) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # keyring leaves it unannotated
        self.error = error
        self.kept: dict[tuple[str, str], str] = {}

    def get_password(self, service: str, username: str) -> str | None:
        self._fail()
        return self.kept.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self._fail()
        self.kept[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        self._fail()
        if self.kept.pop((service, username), None) is None:
            raise PasswordDeleteError("no such password")

    def _fail(self) -> None:
        if self.error is not None:
            raise self.error


class FolderKeyring(KeyringBackend):
    """A file for each entry, none above `largest` bytes of UTF-16, as Windows has it.

    Kills its own process instead of doing the change number `fatal`, counted from 1.
    """

    priority = -1

    def __init__(self, folder: Path, *, largest: int, fatal: int = 0) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # keyring leaves it unannotated
        self._folder = folder
        self._largest = largest
        self._until_fatal = fatal

    def get_password(self, service: str, username: str) -> str | None:
        file = self._file(service, username)
        return file.read_bytes().decode() if file.exists() else None

    def set_password(self, service: str, username: str, password: str) -> None:
        if len(password.encode("utf-16-le")) > self._largest:
            raise OSError(1783, "The stub received bad data")
        self._change()
        self._file(service, username).write_bytes(password.encode())

    def delete_password(self, service: str, username: str) -> None:
        file = self._file(service, username)
        if not file.exists():
            raise PasswordDeleteError("no such password")
        self._change()
        file.unlink()

    def _change(self) -> None:
        self._until_fatal -= 1
        if self._until_fatal == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def _file(self, service: str, username: str) -> Path:
        return self._folder / quote(f"{service} {username}", safe="")


if __name__ == "__main__":
    # A helper: `vault_keyring.py FOLDER LARGEST FATAL`.
    keyring = FolderKeyring(Path(sys.argv[1]), largest=int(sys.argv[2]), fatal=int(sys.argv[3]))
    main(find=lambda _kind: Found("folder", keyring))
