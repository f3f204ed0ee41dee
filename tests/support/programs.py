"""The installed programs as real processes, at home in a folder of their own."""

from __future__ import annotations

import json
import os
import pty
import select
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

__all__ = ["BIN", "AtTerminal", "Finished", "Home", "new_home", "read_line"]

BIN = Path(sys.executable).parent
"""Where this interpreter's programs are installed, ours among them."""

PATIENCE = 60.0
"""Seconds, for anything that should take one or two."""
_SYSTEM_PATH = "/usr/local/bin:/usr/bin:/bin"
_PROGRAMS = ("agentkeys", "agentkeys-credential-process")


@dataclass(frozen=True)
class Finished:
    """A program that has ended."""

    status: int
    """Its exit status; as for Popen, minus the number of the signal that killed it."""
    stdout: str
    stderr: str

    def complaint(self) -> tuple[str, str]:
        """The error and the hint, after a check that standard error holds nothing else."""
        error, hint = self.stderr.splitlines()
        assert error.startswith("agentkeys: error: ")
        assert hint.startswith("agentkeys: hint: ")
        return error.removeprefix("agentkeys: error: "), hint.removeprefix("agentkeys: hint: ")


class Home:
    """A user's home, state and socket, in one private folder with a short path.

    Programs start with a clean environment, in `work`, which holds nothing at first.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.work = folder / "work"
        self.state = folder / "state"
        self.socket = folder / "run" / "daemon.sock"
        self.config = folder / "config" / "agentkeys" / "config.toml"
        self.work.mkdir()
        self.environment = {
            "PATH": f"{BIN}:{_SYSTEM_PATH}",
            "HOME": str(folder / "home"),
            "LANG": "C.UTF-8",
            "TZ": "UTC",
            "XDG_CONFIG_HOME": str(folder / "config"),
            "XDG_STATE_HOME": str(folder / "xdg-state"),
            "XDG_CACHE_HOME": str(folder / "cache"),
            "XDG_RUNTIME_DIR": str(folder / "xdg-run"),
            "AGENTKEYS_STATE_DIR": str(self.state),
            "AGENTKEYS_SOCKET": str(self.socket),
            "AGENTKEYS_VAULT": "memory",
        }
        for name in ("home", "config", "xdg-run"):
            (folder / name).mkdir(mode=0o700)

    def program(self, name: str) -> Path:
        """Where one of our own programs is installed."""
        return BIN / name

    def configure(self, text: str) -> None:
        """Writes the user's own configuration."""
        self.config.parent.mkdir(mode=0o700, exist_ok=True)
        self.config.write_text(text, encoding="utf-8")

    def run(
        self,
        *argv: str | Path,
        stdin: str = "",
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        patience: float = PATIENCE,
    ) -> Finished:
        """Runs a program to its end, with `env` added to its environment."""
        done = subprocess.run(
            self._argv(argv),
            input=stdin,
            env=self.environment | dict(env or {}),
            cwd=cwd or self.work,
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=patience,
            check=False,
        )
        return Finished(done.returncode, done.stdout, done.stderr)

    def succeed(self, *argv: str | Path, env: Mapping[str, str] | None = None) -> str:
        """What a program prints that has to end with 0, and with nothing on standard error."""
        done = self.run(*argv, env=env)
        assert (done.status, done.stderr) == (0, ""), done
        return done.stdout

    def start(
        self,
        *argv: str | Path,
        env: Mapping[str, str] | None = None,
        pass_fds: Sequence[int] = (),
    ) -> subprocess.Popen[str]:
        """A program that runs, its three streams being pipes; leave its `with` to wait for it."""
        return subprocess.Popen(
            self._argv(argv),
            env=self.environment | dict(env or {}),
            cwd=self.work,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            pass_fds=pass_fds,
        )

    @contextmanager
    def at_terminal(
        self, *argv: str | Path, env: Mapping[str, str] | None = None
    ) -> Iterator[AtTerminal]:
        """A program with a terminal of its own, killed if it still runs on the way out."""
        ours, theirs = pty.openpty()
        try:
            process = subprocess.Popen(
                [sys.executable, "-I", "-c", _TAKE_TERMINAL, *self._argv(argv)],
                env={**self.environment, "TERM": "dumb", **(env or {})},
                cwd=self.work,
                stdin=theirs,
                stdout=theirs,
                stderr=theirs,
                start_new_session=True,
            )
        finally:
            os.close(theirs)
        try:
            yield AtTerminal(process, ours)
        finally:
            if process.poll() is None:
                process.kill()
            process.wait()
            os.close(ours)

    def daemon_pid(self) -> int | None:
        """Of the daemon that answers; starts none."""
        document: dict[str, Any] = json.loads(self.succeed("agentkeys", "status", "--json"))
        return document["daemon"] and int(document["daemon"]["pid"])

    def end(self) -> None:
        """Stops whatever was started here."""
        try:
            if self.socket.parent.exists():
                self.succeed("agentkeys", "daemon", "stop", "--force")
        finally:
            if (self.state / "sandbox").exists():
                self.succeed("agentkeys", "sandbox", "stop")

    def _argv(self, argv: Sequence[str | Path]) -> list[str]:
        """`argv` with our own programs as they are installed beside this interpreter."""
        first = self.program(argv[0]) if argv[0] in _PROGRAMS else argv[0]
        return [str(word) for word in (first, *argv[1:])]


# A terminal becomes a session's own only from inside that session.
_TAKE_TERMINAL = """\
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execvpe(sys.argv[1], sys.argv[1:], os.environ)
"""


class AtTerminal:
    """A program whose terminal we hold the other end of."""

    def __init__(self, process: subprocess.Popen[bytes], terminal: int) -> None:
        self.process = process
        self.seen = ""
        self._terminal = terminal

    def expect(self, words: str) -> str:
        """Waits until `words` are on the screen; returns everything up to and with them."""
        end = time.monotonic() + PATIENCE
        while words not in self.seen:
            assert self._read(end), f"{words!r} did not come after {self.seen!r}"
        before, _, self.seen = self.seen.partition(words)
        return before + words

    def type(self, keys: str) -> None:
        os.write(self._terminal, keys.encode())

    def interrupt(self) -> Finished:
        """Ctrl-C until it ends: Python misses one that comes just before it begins to read."""
        end = time.monotonic() + PATIENCE
        while self.process.poll() is None and time.monotonic() < end:
            self.type("\x03")
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(timeout=0.5)
        return self.finish()

    def finish(self) -> Finished:
        """Waits for its end; `stdout` is what came on the screen since the last `expect`."""
        end = time.monotonic() + PATIENCE
        while self._read(end):
            pass
        status = self.process.wait(timeout=PATIENCE)
        return Finished(status, self.seen, "")

    def _read(self, end: float) -> bool:
        """False once nobody has the terminal open any more."""
        ready, _, _ = select.select([self._terminal], [], [], max(0.0, end - time.monotonic()))
        assert ready, f"nothing came after {self.seen!r}"
        try:
            piece = os.read(self._terminal, 65_536)
        except OSError:
            return False
        self.seen += piece.decode().replace("\r\n", "\n")
        return bool(piece)


def read_line(pipe: IO[str] | None) -> str:
    """The next line that a program prints, without its end; fails if it does not come.

    Not to be mixed with the pipe's own `readline`, which may hold more than it has given.
    """
    assert pipe
    line = b""
    while not line.endswith(b"\n"):
        ready, _, _ = select.select([pipe], [], [], PATIENCE)
        piece = os.read(pipe.fileno(), 1) if ready else b""
        assert piece, f"no line came after {line!r}"
        line += piece
    return line.decode().removesuffix("\n")


@contextmanager
def new_home() -> Iterator[Home]:
    """An empty home; whatever runs in it is stopped on the way out."""
    # Not pytest's folder: a socket's path has to be short.
    folder = Path(tempfile.mkdtemp(prefix="agentkeys-"))
    try:
        home = Home(folder)
        try:
            yield home
        finally:
            home.end()
    finally:
        shutil.rmtree(folder)
