"""What anybody could read in /proc about the processes of a home, while they run."""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from tests.support.programs import Home

__all__ = ["ProcessWatch", "Sight"]

PAUSE_SECONDS = 0.004
_PROC = Path("/proc")


@dataclass(frozen=True)
class Sight:
    """A process as it was seen."""

    argv: bytes
    environ: bytes | None
    """None where nobody may read it, as of a process that cannot be traced."""

    @property
    def variables(self) -> dict[str, bytes]:
        pairs = (entry.partition(b"=") for entry in (self.environ or b"").split(b"\0"))
        return {name.decode(errors="replace"): value for name, _, value in pairs}

    @property
    def is_in_run(self) -> bool:
        """A program under `exec`, which is meant to have credentials."""
        return "AGENTKEYS_RUN" in self.variables


class ProcessWatch:
    """Looks at every process, over and over, while its `with` block runs.

    `sights` are those of the home: its folder is in their environment or arguments. A process that
    lives for less than a few milliseconds may go unseen.
    """

    def __init__(self, home: Home) -> None:
        self.sights: set[Sight] = set()
        self._sign = str(home.folder).encode()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._over.set()
        self._thread.join()

    def look(self) -> None:
        """Once more, now."""
        for process in _PROC.iterdir():
            if not process.name.isdigit() or int(process.name) == os.getpid():
                continue
            with suppress(OSError):
                argv = (process / "cmdline").read_bytes()
                try:
                    environ: bytes | None = (process / "environ").read_bytes()
                except PermissionError:
                    environ = None
                if self._sign in argv + (environ or b"") or (environ is None and b"agentk" in argv):
                    self.sights.add(Sight(argv, environ))

    def _run(self) -> None:
        while not self._over.wait(PAUSE_SECONDS):
            self.look()
