"""What a process asks of its system before it reads a secret."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agentkeys.hardening import harden
from agentkeys.hardening.linux import LinuxMeasures

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="what Linux does")

NAMES = ["core_dumps_off", "ptrace_off", "memory_locked", "no_new_privileges"]
IPC_LOCK = 1 << 14
AFTERWARDS = """
import ctypes, json, mmap, resource
from pathlib import Path
from agentkeys.hardening import harden
def status():
    lines = Path("/proc/self/status").read_text().splitlines()
    return {name: value.strip() for name, value in (line.split(":", 1) for line in lines)}
before = status()
first = harden()
reserved = mmap.mmap(-1, 400 << 20)
second = harden()
after = status()
print(json.dumps({
    "first": first.as_claims(),
    "why_not": first.why_not,
    "second": second.as_claims(),
    "core": resource.getrlimit(resource.RLIMIT_CORE),
    "dumpable": ctypes.CDLL(None).prctl(3, 0, 0, 0, 0),
    "no_new_privileges": after["NoNewPrivs"],
    "locked_kib": int(after["VmLck"].split()[0]),
    "grown_kib": int(after["VmRSS"].split()[0]) - int(before["VmRSS"].split()[0]),
}))
"""


class Refusing:
    """A system that lets nothing be done."""

    def __init__(self, problem: Exception) -> None:
        self._problem = problem

    def turn_core_dumps_off(self) -> None:
        raise self._problem

    turn_ptrace_off = lock_memory = forbid_new_privileges = turn_core_dumps_off


class Granting:
    """One that lets everything be done, and remembers it."""

    def __init__(self) -> None:
        self.taken: list[str] = []

    def turn_core_dumps_off(self) -> None:
        self.taken.append("core dumps")

    def turn_ptrace_off(self) -> None:
        self.taken.append("ptrace")

    def lock_memory(self) -> None:
        self.taken.append("memory")

    def forbid_new_privileges(self) -> None:
        self.taken.append("privileges")


def test_what_cannot_be_had_is_told_and_stops_nothing() -> None:
    """Each measure by itself, with the system's words."""
    found = harden(Refusing(OSError(1, "operation not permitted")))
    assert found.as_claims() == dict.fromkeys(NAMES, False)
    assert found.why_not == dict.fromkeys(NAMES, "operation not permitted")


@pytest.mark.parametrize("problem", [OSError("no"), ImportError("no")])
def test_words_without_a_number_are_told_as_well(problem: Exception) -> None:
    """A Python without ctypes has other problems than the system."""
    assert harden(Refusing(problem)).why_not["ptrace_off"] == "no"


def test_all_that_a_system_has_is_taken() -> None:
    """And then there is nothing to explain."""
    measures = Granting()
    found = harden(measures)
    assert measures.taken == ["core dumps", "ptrace", "memory", "privileges"]
    assert found.as_claims() == dict.fromkeys(NAMES, True)
    assert found.why_not == {}


def hardened() -> dict[str, Any]:
    """A process of our own that was hardened, as it sees itself. Ours would stay so for ever."""
    argv = [sys.executable, "-I", "-c", AFTERWARDS]
    done = subprocess.run(argv, capture_output=True, check=True)
    document: dict[str, Any] = json.loads(done.stdout)
    return document


@on_linux
def test_no_core_no_debugger_and_no_setuid_program() -> None:
    """As the kernel itself tells of the process; a second time changes nothing."""
    seen = hardened()
    for name in ("core_dumps_off", "ptrace_off", "no_new_privileges"):
        assert seen["first"][name] is True
    assert seen["core"] == [0, 0]
    assert seen["dumpable"] == 0
    assert seen["no_new_privileges"] == "1"
    assert seen["second"] == seen["first"]


@on_linux
def test_locked_memory_takes_no_more_memory() -> None:
    """What is only reserved stays out of it; and without permission nothing is locked."""
    seen = hardened()
    if may_lock():
        assert seen["first"]["memory_locked"] is True
        assert seen["locked_kib"] > 400 << 10
    else:
        assert seen["locked_kib"] == 0
        assert "RLIMIT_MEMLOCK" in seen["why_not"]["memory_locked"]
    assert seen["grown_kib"] < 8 << 10


def may_lock() -> bool:
    limit, _ = resource.getrlimit(resource.RLIMIT_MEMLOCK)
    status = Path("/proc/self/status").read_text(encoding="ascii")
    effective = int(status.partition("CapEff:")[2].split()[0], 16)
    return limit == resource.RLIM_INFINITY or bool(effective & IPC_LOCK)


@pytest.fixture
def small_limit() -> Iterator[None]:
    """So much memory, and no more, may be locked."""
    soft, hard = resource.getrlimit(resource.RLIMIT_MEMLOCK)
    resource.setrlimit(resource.RLIMIT_MEMLOCK, (1 << 16, hard))
    yield
    resource.setrlimit(resource.RLIMIT_MEMLOCK, (soft, hard))


@on_linux
@pytest.mark.parametrize("capabilities", ["0000000000000000", "ffffffffffffbfff", None])
def test_a_limit_keeps_memory_from_being_locked(
    small_limit: None, capabilities: str | None, tmp_path: Path
) -> None:
    """Memory that is asked for later would be refused under it; one capability lifts it."""
    status = tmp_path / "status"
    status.write_text(f"CapEff:\t{capabilities}\n" if capabilities else "", encoding="ascii")
    with pytest.raises(OSError, match="CAP_IPC_LOCK"):
        LinuxMeasures(status=status).lock_memory()


@on_linux
def test_a_crash_leaves_no_core() -> None:
    """Whatever the limits were before, and wherever the system puts its core files."""
    crash = "from agentkeys.hardening import harden; harden(); import os; os.abort()"
    process = subprocess.Popen(
        [sys.executable, "-I", "-c", crash],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CORE, _most_core()),  # noqa: PLW1509
    )
    _, status = os.waitpid(process.pid, 0)
    process.returncode = status
    assert os.WTERMSIG(status) == signal.SIGABRT
    assert not os.WCOREDUMP(status)


def _most_core() -> tuple[int, int]:
    _, hard = resource.getrlimit(resource.RLIMIT_CORE)
    return hard, hard
