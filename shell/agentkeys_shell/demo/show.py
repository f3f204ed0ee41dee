"""The steps of the demonstration, each a real command, each checked."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from agentkeys.errors import SandboxError

__all__ = ["Finished", "Show", "Stage", "open_stage"]

STEP_SECONDS = 120
SCRAPER = Path(__file__).with_name("scraper.py")


@dataclass(frozen=True, slots=True)
class Finished:
    """One command that has ended."""

    title: str
    command: str
    status: int
    output: str
    as_expected: bool


@dataclass(frozen=True, slots=True)
class Stage:
    """A place of the demonstration's own: folder, socket, state and configuration."""

    folder: Path
    program: str
    environment: Mapping[str, str]

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(  # noqa: S603 - our own program
            [self.program, *arguments],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=STEP_SECONDS,
            check=False,
        )


@contextmanager
def open_stage() -> Iterator[Stage]:
    """A stage in a folder that only we can enter; whatever runs on it is ended afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="agentkeys-demo-"))
    try:
        shutil.copyfile(SCRAPER, folder / SCRAPER.name)
        stage = Stage(folder, _program(), _environment(folder))
        try:
            yield stage
        finally:
            _clear(stage)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _clear(stage: Stage) -> None:
    """Ends what runs on the stage, and is not to be interrupted."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    try:
        stage.run("daemon", "stop")
    finally:
        stage.run("sandbox", "stop")


class Show:
    """Runs the steps in order; `begin` hears of each before it starts, `end` once it is over."""

    def __init__(
        self, stage: Stage, *, begin: Callable[[str, str], None], end: Callable[[Finished], None]
    ) -> None:
        self._stage = stage
        self._begin = begin
        self._end = end

    def play(self) -> bool:
        """Whether every step did what it says; ends at the first that did not."""
        return all(step() for step in self._steps())

    def _steps(self) -> Iterator[Callable[[], bool]]:
        yield lambda: self._step(
            "a broker and an S3 store start on this machine, with two made-up users",
            "sandbox", "start", "--users", "2",
        )  # fmt: skip
        yield lambda: self._step(
            "alice's program works below her own prefix", "exec", "--", "scraper.py"
        )
        yield lambda: self._step(
            "bob's does below his", "exec", "--profile", "sandbox-bob", "--", "scraper.py"
        )
        yield lambda: self._step(
            "alice's program is refused below bob's prefix, by the store itself",
            "exec", "--", "scraper.py", self._prefix_of("sandbox-bob"),
            expect=_all_denied,
        )  # fmt: skip
        yield lambda: self._step("what the daemon holds, and until when", "status")
        yield lambda: self._step("the daemon ends", "daemon", "stop", expect=_stopped)
        yield lambda: self._step(
            "the sandbox too, and its data is gone", "sandbox", "stop", expect=_stopped
        )

    def _step(
        self,
        title: str,
        *arguments: str,
        expect: Callable[[int, str], bool] = lambda status, _: status == 0,
    ) -> bool:
        command = " ".join(["agentkeys", *arguments])
        self._begin(title, command)
        done = self._stage.run(*arguments)
        as_expected = expect(done.returncode, done.stdout)
        self._end(Finished(title, command, done.returncode, done.stdout, as_expected))
        return as_expected

    def _prefix_of(self, identity: str) -> str:
        person = json.loads(self._stage.run("whoami", identity, "--json").stdout)
        return f"bots/{person['prefix_id']}/"


def _all_denied(status: int, output: str) -> bool:
    lines = output.splitlines()
    return status == 1 and len(lines) == 3 and all(line.endswith("AccessDenied") for line in lines)


def _stopped(status: int, output: str) -> bool:
    return status == 0 and output.startswith("stopped")


def _program() -> str:
    """The `agentkeys` that runs now, or the one of this interpreter."""
    running = Path(sys.argv[0])
    program = running if running.name == "agentkeys" else Path(sys.executable).parent / "agentkeys"
    if not program.exists():
        raise SandboxError("the agentkeys program is not installed", hint="install it with pipx")
    return str(program.absolute())


def _environment(folder: Path) -> dict[str, str]:
    """Nothing of the user's own configuration or keyring, and a python3 that has boto3."""
    state = folder / "state"
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("AGENTKEYS_", "AWS_"))
    }
    interpreters = str(Path(sys.executable).parent)
    return inherited | {
        "PATH": f"{interpreters}:{inherited.get('PATH', os.defpath)}",
        "AGENTKEYS_STATE_DIR": str(state),
        "AGENTKEYS_SOCKET": str(state / "run" / "daemon.sock"),
        "AGENTKEYS_CONFIG": str(state / "sandbox" / "config.toml"),
        "AGENTKEYS_VAULT": "memory",
    }
