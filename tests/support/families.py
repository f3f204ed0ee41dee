"""Real processes that are one another's parents, and what becomes of those whose parent ends."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from agentkeys.processes import ProcessId
from tests.support.programs import read_line

__all__ = ["Family", "a_program", "family", "the_process", "wait_for_end"]

# The first one forks, its child does, and so on; whoever has a child waits for it.
_FAMILY = """\
import os, sys
print(os.getpid(), flush=True)
for level in range(1, int(sys.argv[1])):
    child = os.fork()
    if child:
        try:
            os.waitpid(child, 0)
        finally:
            os._exit(0)
    print(os.getpid(), flush=True)
sys.stdin.read()
"""


@dataclass(frozen=True)
class Family:
    """Each process is the child of the one before it."""

    members: tuple[ProcessId, ...]
    head: subprocess.Popen[str]
    """The first of them, our own child."""

    @property
    def youngest(self) -> ProcessId:
        return self.members[-1]


@contextmanager
def family(size: int) -> Iterator[Family]:
    """So many processes, all of which end with the block."""
    with a_program(_FAMILY, str(size)) as head:
        pids = [int(read_line(head.stdout)) for _ in range(size)]
        yield Family(tuple(the_process(pid) for pid in pids), head)


@contextmanager
def a_program(
    text: str, *arguments: str, env: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[str]]:
    """A Python program whose stdin is closed on the way out, which should end it."""
    pipe = subprocess.PIPE
    argv = [sys.executable, "-I", "-S", "-c", text, *arguments]
    with subprocess.Popen(argv, stdin=pipe, stdout=pipe, text=True, env=env) as process:
        yield process


def the_process(pid: int) -> ProcessId:
    """One that runs."""
    found = ProcessId.of(pid)
    assert found
    return found


def wait_for_end(child: subprocess.Popen[str]) -> None:
    """Returns when a child has ended, which nobody has waited for then."""
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
