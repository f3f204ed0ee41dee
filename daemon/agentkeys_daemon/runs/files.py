"""What outlives the daemon of its runs, so that the next one knows them and their endpoint.

In the folder `<socket>.runs`, mode 0700: `ID.json` for each run, with the hash of its token;
`ID.token` for those with the endpoint, the one secret that lies in a file, since clients read it
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

from agentkeys.access_rules import parse_access_rule
from agentkeys.clock import format_utc, parse_utc
from agentkeys.errors import AgentkeysError, RunError
from agentkeys.private_files import private_folder, replace_file
from agentkeys.processes import ProcessId
from agentkeys.secret import Secret
from agentkeys_daemon.runs.run import Run

__all__ = ["RunFiles"]

log = logging.getLogger("agentkeys.daemon")

_ENDPOINT = "endpoint.json"
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class RunFiles:
    """The folder of one daemon's runs. Writing raises RunError, removing and reading never do."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._boot = _boot_id()

    def load(self) -> list[Run]:
        """Those on record, in the order of their beginning.

        What cannot be understood is left out, and removed; so are tokens of no run.
        """
        runs = list(self._read_all())
        known = {run.id for run in runs}
        for path in self._folder.glob("*.token"):
            if path.stem not in known:
                self._unlink(path.name)
        return sorted(runs, key=lambda run: (run.started_at, len(run.outer)))

    def save(self, run: Run) -> None:
        self._write(f"{run.id}.json", _document(run))

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

    def clear_port(self) -> None:
        self._unlink(_ENDPOINT)

    def _read_all(self) -> Iterator[Run]:
        for path in self._folder.glob("*.json"):
            if path.name == _ENDPOINT:
                continue
            run = _parse(self._read(path))
            if run is None or run.id != path.stem:
                self._unlink(path.name)
            else:
                yield run

    def _read(self, path: Path) -> dict[str, Any]:
        """Nothing where it is not there, not whole, or from before the machine's restart."""
        try:
            document = json.loads(path.read_text(encoding="utf-8"))
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


def _boot_id() -> str | None:
    try:
        return _BOOT_ID.read_text(encoding="ascii").strip()
    except OSError:  # macOS, whose start times are times of day
        return None


def _document(run: Run) -> dict[str, Any]:
    return {
        "id": run.id,
        "profile": run.profile,
        "subject": run.subject,
        "pid": run.process.pid,
        "started": run.process.started,
        "program": run.program,
        "started_at": format_utc(run.started_at),
        "allow": [str(rule) for rule in run.allow],
        "reads_only": run.reads_only,
        "lease_run": run.lease_run,
        "outer": run.outer,
        "token_hash": run.token_hash,
        "is_forgotten": run.is_forgotten,
    }


def _parse(document: dict[str, Any]) -> Run | None:
    """None for what is no whole record: nobody could be served by a guess."""
    try:
        return Run(
            id=_text(document["id"]),
            profile=_text(document["profile"]),
            subject=_text(document["subject"]),
            process=ProcessId(_number(document["pid"]), _text(document["started"])),
            program=_text_or_none(document["program"]),
            started_at=parse_utc(_text(document["started_at"])),
            allow=tuple(parse_access_rule(_text(rule)) for rule in document["allow"]),
            reads_only=document["reads_only"] is not False,
            lease_run=_text_or_none(document["lease_run"]),
            outer=tuple(map(_text, document["outer"])),
            token_hash=_text_or_none(document["token_hash"]),
            is_forgotten=document["is_forgotten"] is not False,
        )
    except (KeyError, TypeError, ValueError, AgentkeysError):
        return None


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _text_or_none(value: object) -> str | None:
    return None if value is None else _text(value)


def _number(value: object) -> int:
    """A pid, or how deep: both fit into 31 bits."""
    if not isinstance(value, int) or not 0 <= value < 2**31:
        raise TypeError
    return value
