"""Which process is the daemon of a socket, certain enough to send it a signal."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from agentkeys.processes import ProcessId
from agentkeys_shell.daemon_process import daemon_on_record, terminate
from tests.support.programs import read_line

HOLDER = """\
import fcntl, sys
with open(sys.argv[1], "w") as lock:
    if "locked" in sys.argv[2:]:
        fcntl.flock(lock, fcntl.LOCK_EX)
    print("ready", flush=True)
    sys.stdin.read()
"""


@contextmanager
def holder(lock: Path, *options: str) -> Iterator[subprocess.Popen[str]]:
    """A process that has the file `lock` open, "locked" or not."""
    argv = [sys.executable, "-I", "-c", HOLDER, str(lock), *options]
    pipe = subprocess.PIPE
    with subprocess.Popen(argv, stdin=pipe, stdout=pipe, text=True) as process:
        assert read_line(process.stdout) == "ready"
        yield process


@pytest.fixture
def path(tmp_path: Path) -> str:
    """Where nobody listens."""
    return str(tmp_path / "d.sock")


def record(path: str, pid: int) -> None:
    Path(f"{path}.pid").write_text(str(pid), encoding="ascii")


def test_it_is_the_process_on_record_that_holds_the_lock(path: str) -> None:
    """For as long as it lives."""
    with holder(Path(f"{path}.lock"), "locked") as process:
        record(path, process.pid)
        found = daemon_on_record(path)
        assert found
        assert found == ProcessId.of(process.pid)
        assert found.is_alive
    assert daemon_on_record(path) is None


def test_one_that_waits_for_the_lock_is_not_the_daemon(path: str) -> None:
    """It has the file open, as does every daemon that wants to follow the one that runs."""
    lock = Path(f"{path}.lock")
    with holder(lock, "locked"), holder(lock) as waiting:
        record(path, waiting.pid)
        assert daemon_on_record(path) is None


def test_one_that_holds_another_lock_is_not_the_daemon(path: str) -> None:
    """Such as the daemon of another socket, which has got the pid of an earlier one."""
    Path(f"{path}.lock").touch()
    with holder(Path(f"{path}.other"), "locked") as process:
        record(path, process.pid)
        assert daemon_on_record(path) is None


@pytest.mark.parametrize("text", [None, "", "garbled", "0", "-1", "1"])
def test_without_a_record_there_is_none(path: str, text: str | None) -> None:
    """Whoever holds the lock."""
    with holder(Path(f"{path}.lock"), "locked"):
        if text is not None:
            Path(f"{path}.pid").write_text(text, encoding="ascii")
        assert daemon_on_record(path) is None


def test_a_later_process_with_its_pid_is_left_alone() -> None:
    """The daemon ended while it was asked to, and somebody else got the number."""
    with subprocess.Popen(["sleep", "600"]) as bystander:
        earlier = ProcessId(bystander.pid, "before that")
        assert not earlier.is_alive
        terminate(earlier)
        itself = ProcessId.of(bystander.pid)
        assert itself
        terminate(itself)
        assert bystander.wait(timeout=60) == -15


def test_one_that_has_ended_is_none() -> None:
    """And to tell it to end does nothing."""
    with subprocess.Popen(["true"]) as process:
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert ProcessId.of(process.pid) is None
