"""Programs under `exec` that do what a test tells them, and what the daemon tells of them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.support.killing import wait_until
from tests.support.place import SHIM
from tests.support.programs import Finished, Home, read_line
from tests.support.raw_http import RawAnswer

__all__ = ["Program", "fetch", "ledger", "listed", "running", "wait_for_end"]

# Does one thing for each line that it reads, and says what came of it. What it is told to run, it
# runs as its own child; an orphan's output counts, since it is read to the end.
_OBEY = """\
import json, os, subprocess, sys
print(json.dumps([os.getpid(), dict(os.environ)]), flush=True)
for line in sys.stdin:
    argv, env, becomes = json.loads(line)
    if becomes:
        os.execvp(argv[0], argv)
    done = subprocess.run(argv, env={**os.environ, **env}, capture_output=True, text=True,
                          stdin=subprocess.DEVNULL)
    print(json.dumps([done.returncode, done.stdout, done.stderr]), flush=True)
"""
OBEY = (sys.executable, "-I", "-S", "-c", _OBEY)
"""A program that a test can talk to."""

# Forks and leaves its parent, waits until that has gone and then for a file; says what came of it.
_ORPHAN = """\
import json, os, subprocess, sys
between = os.getpid()
if os.fork():
    os._exit(0)
os.setsid()
while os.getppid() == between:
    pass
done = subprocess.run(sys.argv[1:], capture_output=True, text=True)
print(json.dumps([done.returncode, done.stdout, done.stderr]))
"""
ORPHAN = (sys.executable, "-I", "-S", "-c", _ORPHAN)
"""Before a command: runs it as a process that has lost its parent."""


class Program:
    """A program under `exec` that runs, and waits to be told what to do."""

    def __init__(self, home: Home, process: subprocess.Popen[str]) -> None:
        self.home = home
        self.process = process
        self.variables: dict[str, str] = {}
        self._hear_of_it()

    @property
    def id(self) -> str:
        """Of its run."""
        return self.variables["AGENTKEYS_RUN"]

    def do(self, *argv: str | Path, env: Mapping[str, str] | None = None) -> Finished:
        """Runs another program in it, to the end; one of ours knows where the socket is."""
        self._tell(argv, self._knowing(env), becomes=False)
        status, stdout, stderr = json.loads(read_line(self.process.stdout))
        return Finished(status, stdout, stderr)

    def orphan(self, *argv: str | Path, env: Mapping[str, str] | None = None) -> Finished:
        """The same in a process that has forked twice, and lost the parent in between."""
        done = self.do(*ORPHAN, self._found(argv[0]), *argv[1:], env=env)
        assert done.status == 0, done
        status, stdout, stderr = json.loads(done.stdout)
        return Finished(status, stdout, stderr)

    def shim(self, *options: str, env: Mapping[str, str] | None = None) -> Finished:
        """What credential_process gives inside of it."""
        return self.do(SHIM, *options, env=env)

    def become(self, *argv: str | Path) -> None:
        """It is another program from now on."""
        self._tell(argv, {}, becomes=True)

    def become_obedient(self, *before: str) -> None:
        """It becomes another one that waits to be told, by way of the command `before`."""
        self.become(*before, *OBEY)
        self._hear_of_it()

    def fetch(self) -> RawAnswer:
        """What the endpoint gives it."""
        return fetch(self.variables)

    def kill(self) -> None:
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def end(self) -> None:
        """It ends by itself."""
        assert self.process.stdin
        self.process.stdin.close()
        assert self.process.wait() == 0

    def _hear_of_it(self) -> None:
        pid, self.variables = json.loads(read_line(self.process.stdout))
        assert pid == self.process.pid

    def _tell(self, argv: tuple[str | Path, ...], env: Mapping[str, str], *, becomes: bool) -> None:
        words = [self._found(argv[0]), *map(str, argv[1:])]
        assert self.process.stdin
        self.process.stdin.write(json.dumps([words, dict(env), becomes]) + "\n")
        self.process.stdin.flush()

    def _knowing(self, env: Mapping[str, str] | None) -> dict[str, str]:
        return {"AGENTKEYS_SOCKET": str(self.home.socket), **(env or {})}

    def _found(self, name: str | Path) -> str:
        found = self.home.program(str(name))
        return str(found if "/" not in str(name) and found.exists() else name)


@contextmanager
def running(home: Home, *options: str, env: Mapping[str, str] | None = None) -> Iterator[Program]:
    """A program under `exec` with `options`, killed if it still runs on the way out."""
    with home.start("agentkeys", "exec", *options, "--", *OBEY, env=env) as process:
        try:
            yield Program(home, process)
        finally:
            process.kill()
            assert process.stdin
            with suppress(BrokenPipeError):
                process.stdin.close()


def fetch(variables: Mapping[str, str], **headers: str) -> RawAnswer:
    """What the endpoint in `variables` gives for the token in them, or for another header."""
    address = urlsplit(variables["AWS_CONTAINER_CREDENTIALS_FULL_URI"])
    connection = HTTPConnection(address.netloc, timeout=30)
    try:
        token = {"Authorization": variables["AWS_CONTAINER_AUTHORIZATION_TOKEN"]}
        connection.request("GET", address.path, headers=token | headers)
        answer = connection.getresponse()
        found = {name.lower(): value for name, value in answer.getheaders()}
        return RawAnswer(answer.status, found, answer.read())
    finally:
        connection.close()


def listed(home: Home) -> dict[str, dict[str, Any]]:
    """What `agentkeys runs` tells, by the runs' ids."""
    document = json.loads(home.succeed("agentkeys", "runs", "--json"))
    assert document["version"] == 1
    return {run["id"]: run for run in document["runs"]}


def wait_for_end(home: Home, *ids: str) -> None:
    """Returns when none of those runs is known any more."""
    wait_until(lambda: not {*ids} & {*listed(home)})


def ledger(home: Home, event: str = "", *, run: str | None = None) -> list[dict[str, Any]]:
    """The ledger's lines of an event, or of all; those of one run, or of all."""
    path = home.state / "audit" / "ledger.jsonl"
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    lines = [json.loads(line) for line in text.splitlines()]
    return [
        line for line in lines if event in ("", line["event"]) and run in (None, line["run_id"])
    ]
