"""What has been written to files and is not on the disk yet."""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from pathlib import Path

__all__ = ["Unsynced"]

# macOS has none.
_sync_data = getattr(os, "fdatasync", os.fsync)

_Key = tuple[int, int] | Path


class Unsynced:
    """Remembers files that were written to until their content is on the disk.

    One thread may write while another one syncs.
    """

    def __init__(self) -> None:
        self._files: dict[_Key, int] = {}
        self._lock = threading.Lock()

    def note(self, descriptor: int, found: os.stat_result) -> None:
        """The file has been written to. Raises OSError, and then it is on the disk or never."""
        key = (found.st_dev, found.st_ino)
        if key in self._files:
            return
        try:
            copy = os.dup(descriptor)
        except OSError:
            # No descriptors are left: now, then, since nobody can do it later.
            _sync_data(descriptor)
            return
        with self._lock:
            self._files[key] = copy

    def note_folder(self, folder: Path) -> None:
        """A file has got its name in `folder`; raises OSError."""
        if folder not in self._files:
            opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            with self._lock:
                self._files[folder] = opened

    def sync(self) -> None:
        """Returns when all that was noted before is on the disk; raises OSError, and forgets none.

        Blocks for as long as the disk takes.
        """
        with self._lock:
            owed, self._files = self._files, {}
        try:
            for key, descriptor in list(owed.items()):
                _sync_data(descriptor)
                os.close(owed.pop(key))
        finally:
            self._take_back(owed)

    def close(self) -> None:
        with self._lock:
            owed, self._files = self._files, {}
        for descriptor in owed.values():
            with suppress(OSError):
                os.close(descriptor)

    def _take_back(self, owed: dict[_Key, int]) -> None:
        with self._lock:
            for key, descriptor in owed.items():
                if self._files.setdefault(key, descriptor) != descriptor:
                    os.close(descriptor)
