"""What outlives the daemon of its runs, so that the next one knows them and their endpoint.

In the folder `<socket>.runs`, mode 0700: `ID.json` for each run, with the hash of its token;
`ID.token` for those whose SDKs fetch, the one secret that lies in a file, since clients read it
there; `endpoint.json` with the port. The boot's id stands in all of it, because process ids and
ports mean nothing after a restart of the machine.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from agentkeys.errors import RunError
from agentkeys.private_files import opened_plainly, private_folder, replace_file
from agentkeys.secret import Secret
from agentkeys_daemon.runs.documents import parse_run, run_document
from agentkeys_daemon.runs.run import Run

__all__ = ["RunFiles"]

log = logging.getLogger("agentkeys.daemon")

LARGEST = 1_000_000
_ENDPOINT = "endpoint.json"
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class RunFiles:
    """The folder of one daemon's runs. Writing raises RunError, removing and reading never do."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._boot = _boot_id()

    def load(self) -> list[Run]:
        """Those on record.

        What cannot be understood is left out, and removed; so are tokens of no run.
        """
        runs = list(self._read_all())
        known = {run.id for run in runs}
        for path in self._folder.glob("*.token"):
            if path.stem not in known:
                self._unlink(path.name)
        for unfinished in self._folder.glob(".*"):
            self._unlink(unfinished.name)
        return runs

    def save(self, run: Run) -> None:
        self._write(f"{run.id}.json", run_document(run))

    def remove(self, run: Run) -> None:
        self.remove_token(run)
        self._unlink(f"{run.id}.json")

    def save_token(self, run_id: str, token: Secret) -> Path:
        """Where it lies; without a newline, which clients would send along."""
        path = self._folder / f"{run_id}.token"
        self._replace(path, token.reveal())
        return path

    def remove_token(self, run: Run) -> None:
        """It may have none."""
        self._unlink(f"{run.id}.token")

    def load_port(self) -> int | None:
        """Where the endpoint last was."""
        port = self._read(self._folder / _ENDPOINT).get("port")
        return port if isinstance(port, int) and 0 < port < 65_536 else None

    def save_port(self, port: int) -> None:
        self._write(_ENDPOINT, {"port": port})

    def _read_all(self) -> Iterator[Run]:
        for path in self._folder.glob("*.json"):
            if path.name == _ENDPOINT:
                continue
            run = parse_run(self._read(path))
            if run is None or run.id != path.stem:
                self._unlink(path.name)
            else:
                yield run

    def _read(self, path: Path) -> dict[str, Any]:
        """Nothing where it is not there, not whole, or from before the machine's restart."""
        try:
            document = json.loads(_read_plain(path))
        except (OSError, ValueError, RecursionError):
            return {}
        return document if isinstance(document, dict) and document.get("boot") == self._boot else {}

    def _write(self, name: str, document: dict[str, Any]) -> None:
        content = json.dumps({"version": 1, "boot": self._boot, **document})
        self._replace(self._folder / name, content)

    def _replace(self, path: Path, content: str) -> None:
        try:
            private_folder(self._folder)
            replace_file(path, content, outlives_machine=False)
        except OSError as problem:
            raise RunError(
                f"{path} cannot be written: {problem.strerror}",
                hint="make room on the disk, or make the socket's folder writable",
            ) from problem

    def _unlink(self, name: str) -> None:
        with suppress(OSError):
            (self._folder / name).unlink(missing_ok=True)


def _read_plain(path: Path) -> bytes:
    with opened_plainly(path) as file:
        return file.read(LARGEST)


def _boot_id() -> str | None:
    try:
        return _BOOT_ID.read_text(encoding="ascii").strip()
    except OSError:  # macOS, whose start times are times of day
        return None
