"""Processes as the system tells of them: which one, whose child, and whether it still runs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from agentkeys.processes import ProcessId, facts_of
from tests.support.families import a_program, family, the_process, wait_for_end
from tests.support.programs import read_line

READ = "import sys; print('ready', flush=True); sys.stdin.read()"


def test_a_running_process_is_alive() -> None:
    """A process is known by its pid and by when it began."""
    itself = ProcessId.of(os.getpid())
    assert itself
    assert itself.is_alive
    assert itself == ProcessId.of(os.getpid())


def test_a_later_process_with_its_pid_is_another() -> None:
    """Pids are used again."""
    assert not ProcessId(os.getpid(), "1").is_alive


def test_one_that_has_ended_is_dead_before_it_is_waited_for() -> None:
    """It is gone for us, even while its parent has not noticed."""
    with a_program(READ) as child:
        assert read_line(child.stdout) == "ready"
        process = the_process(child.pid)
        child.kill()
        wait_for_end(child)
        assert not process.is_alive
        assert ProcessId.of(child.pid) is None
    assert not process.is_alive
    assert facts_of(child.pid) is None


def test_one_whose_first_thread_has_ended_runs_on() -> None:
    """The system calls it a zombie, though its other threads do whatever they like."""
    without_main_thread = """\
import ctypes, sys, threading
def rest():
    print("ready", flush=True)
    sys.stdin.read()
threading.Thread(target=rest).start()
ctypes.CDLL(None).pthread_exit(None)
"""
    with a_program(without_main_thread) as child:
        assert read_line(child.stdout) == "ready"
        process = the_process(child.pid)
        while (stat := Path(f"/proc/{child.pid}/stat").read_bytes()).split()[2] != b"Z":
            pass
        assert process.is_alive, stat
        child.kill()
        wait_for_end(child)
        assert not process.is_alive


@pytest.mark.parametrize("name", [") Z 1 (", "a b c", "((", "\n) X 0"])
def test_a_name_cannot_mislead(tmp_path: Path, name: str) -> None:
    """A program may be called whatever it likes; its name is told among the facts."""
    (tmp_path / name).symlink_to(sys.executable)
    argv = [str(tmp_path / name), "-I", "-S", "-c", READ]
    pipe = subprocess.PIPE
    with subprocess.Popen(argv, stdin=pipe, stdout=pipe, text=True) as child:
        assert read_line(child.stdout) == "ready"
        facts = facts_of(child.pid)
        assert facts
        assert (facts.parent, facts.has_ended) == (os.getpid(), False)
        assert facts.started.isdecimal()


def test_parents_are_the_older_ones() -> None:
    """Which is how a later process with a parent's pid is found out."""
    with family(3) as line:
        facts = [facts_of(member.pid) for member in line.members]
        began = [found.began for found in facts if found]
        parents = [found.parent for found in facts if found]
    assert began == sorted(began)
    assert parents == [os.getpid(), *(member.pid for member in line.members[:-1])]


@pytest.mark.parametrize("pid", [0, -1, 2**31, 2**80])
def test_what_is_no_pid_is_nobody(pid: int) -> None:
    """Rather than ourselves, or everybody."""
    assert facts_of(pid) is None
    assert ProcessId.of(pid) is None
