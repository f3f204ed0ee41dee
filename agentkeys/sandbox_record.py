"""What is known about a running sandbox: its two processes, their addresses and its made-up users.

The shell writes the record once the sandbox answers and removes it when it stops; whoever wants to
know whether a sandbox is there reads it. Reading and checking take well under a millisecond.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from agentkeys.errors import SandboxError
from agentkeys.private_files import replace_file
from agentkeys.processes import ProcessId

__all__ = [
    "SandboxProcess",
    "SandboxRecord",
    "SandboxUser",
    "is_live",
    "load_sandbox_record",
    "parse_sandbox_record",
    "record_path",
    "save_sandbox_record",
]

VERSION = 1
_MAX_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class SandboxProcess:
    """One of the two servers."""

    pid: int
    started: str
    """When the process began, as the system words it: tells it from a later one with its pid."""
    url: str

    @property
    def process(self) -> ProcessId:
        return ProcessId(self.pid, self.started)


@dataclass(frozen=True, slots=True)
class SandboxUser:
    """A made-up person, with the profile that the sandbox's configuration has for them."""

    name: str
    email: str
    profile: str


@dataclass(frozen=True, slots=True)
class SandboxRecord:
    """A sandbox that answered when this was written."""

    broker: SandboxProcess
    store: SandboxProcess
    users: tuple[SandboxUser, ...]


def record_path(folder: Path) -> Path:
    """Where the sandbox in `folder` keeps its record."""
    return folder / "sandbox.json"


def load_sandbox_record(folder: Path) -> SandboxRecord | None:
    """The record in `folder`, or None if there is none; SandboxError if it cannot be read."""
    path = record_path(folder)
    try:
        with path.open("rb") as file:
            text = file.read(_MAX_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise SandboxError(f"{path} cannot be read: {error.strerror}") from error
    try:
        return parse_sandbox_record(text)
    except ValueError as error:
        raise _broken(path, str(error)) from error


def _broken(path: Path, reason: str) -> SandboxError:
    return SandboxError(
        f"{path} is not a sandbox record: {reason}",
        hint=f"remove {path}, then run: agentkeys sandbox start",
    )


def parse_sandbox_record(text: bytes) -> SandboxRecord:
    """Raises ValueError saying what is wrong."""
    if len(text) > _MAX_BYTES:
        raise ValueError("it is too long")
    document = json.loads(text)
    if not isinstance(document, dict) or document.get("version") != VERSION:
        raise ValueError(f"its version is not {VERSION}")
    try:
        return SandboxRecord(
            broker=_parse_process(document["broker"]),
            store=_parse_process(document["store"]),
            users=tuple(_parse_user(user) for user in document["users"]),
        )
    except (KeyError, TypeError) as error:
        raise ValueError("a field is missing or of the wrong type") from error


def _parse_process(fields: Mapping[str, Any]) -> SandboxProcess:
    pid = fields["pid"]
    # Signals are sent to what is written here: 0 and -1 would mean whole groups of processes.
    if not isinstance(pid, int) or pid <= 1:
        raise ValueError("a pid is not one")
    return SandboxProcess(pid, _text(fields["started"]), _text(fields["url"]))


def _parse_user(fields: Mapping[str, Any]) -> SandboxUser:
    return SandboxUser(_text(fields["name"]), _text(fields["email"]), _text(fields["profile"]))


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("not a string")
    return value


def save_sandbox_record(folder: Path, record: SandboxRecord) -> None:
    """Writes the record in one step; a reader sees the old one or the new one."""
    document = {"version": VERSION, **asdict(record)}
    replace_file(record_path(folder), json.dumps(document, indent=2) + "\n")


def is_live(record: SandboxRecord) -> bool:
    """Whether both recorded processes still run, and are the ones that were recorded."""
    return all(part.process.is_alive for part in (record.broker, record.store))
