"""Servers that outlive the command which started them, each with a folder of its own.

The folder holds the server's log and, from the moment it runs, `process.json` with its pid: a
start that is cut off at any point leaves nothing behind that a later start or stop cannot find.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from agentkeys.errors import SandboxError
from agentkeys.private_files import replace_file
from agentkeys.processes import ProcessId

__all__ = ["Server", "end_servers", "find_server", "start_server", "wait_until"]

_POLL_SECONDS = 0.02
_ENDED_AT_ONCE = "ended before it could be asked"

# A Popen that is dropped while its process runs gives a warning; these run on by intention.
_started: list[subprocess.Popen[bytes]] = []


@dataclass(frozen=True, slots=True)
class Server:
    """A process of ours, known by its pid and by when it began."""

    pid: int
    started: str

    def is_alive(self) -> bool:
        """Whether it still runs; a child of this very process is waited for on the way."""
        for child in _started:
            child.poll()
        return ProcessId(self.pid, self.started).is_alive

    def send(self, number: signal.Signals) -> None:
        """Sends a signal to its process group; nothing happens if it has ended."""
        if self.is_alive():
            # It may end between the two; macOS says EPERM then.
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, number)


def start_server(
    argv: Sequence[str], *, folder: Path, log: Path, environment: Mapping[str, str]
) -> Server:
    """Starts a server in its own session, in `folder`, with `log` as both its output streams.

    Whatever it writes is private (umask 077), and none of our open files reach it. Raises
    SandboxError when it cannot be run at all.
    """
    try:
        child = _spawn(argv, folder, log, environment)
    except OSError as error:
        raise SandboxError(f"{argv[0]} cannot be started: {error.strerror}") from error
    _started.append(child)
    process = ProcessId.of(child.pid)
    server = Server(child.pid, process.started if process else _ENDED_AT_ONCE)
    replace_file(_process_file(folder), json.dumps(asdict(server)))
    return server


def _spawn(
    argv: Sequence[str], folder: Path, log: Path, environment: Mapping[str, str]
) -> subprocess.Popen[bytes]:
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW
    with os.fdopen(os.open(log, flags, 0o600), "wb") as output:
        return subprocess.Popen(  # noqa: S603 - our own programs, with arguments of our own
            argv,
            cwd=folder,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            umask=0o077,
        )


def find_server(folder: Path) -> Server | None:
    """The server that was last started in `folder` and not yet ended, whether it runs or not."""
    try:
        fields = json.loads(_process_file(folder).read_text(encoding="utf-8"))
        return Server(int(fields["pid"]), str(fields["started"]))
    except FileNotFoundError:
        return None


def end_servers(folders: Sequence[Path], *, patience: float = 10.0) -> None:
    """Ends what runs in `folders`: asked first, killed when `patience` (seconds) is over.

    All of them are asked before any is waited for. Raises SandboxError when one outlives even that.
    """
    servers = [server for folder in folders if (server := find_server(folder))]
    for number in (signal.SIGTERM, signal.SIGKILL):
        for server in servers:
            server.send(number)
        if wait_until(lambda: not any(map(Server.is_alive, servers)), seconds=patience):
            break
    else:
        raise SandboxError(f"a server of the sandbox does not end: {servers}")
    for folder in folders:
        _process_file(folder).unlink(missing_ok=True)


def wait_until(condition: Callable[[], bool], *, seconds: float) -> bool:
    """Asks again and again; False if `condition` has not come true within `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() >= deadline:
            return False
        time.sleep(_POLL_SECONDS)
    return True


def _process_file(folder: Path) -> Path:
    return folder / "process.json"
