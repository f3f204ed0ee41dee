"""Programs that detach stay below the program that `exec` becomes."""

from __future__ import annotations

from pathlib import Path

import pytest

import agentkeys_shell
from agentkeys_daemon.process_tree import ancestors
from tests.support.families import a_program, the_process
from tests.support.programs import read_line

# As `exec` does it: in an interpreter without its site packages, and then an execve.
BECOME = """\
import os, sys
sys.path.append(sys.argv[1])
from agentkeys_shell.subreaper import become_subreaper
{before}
print(become_subreaper(), flush=True)
os.execv(sys.executable, [sys.executable, "-I", "-S", "-c", sys.argv[2]])
"""
# Forks twice, as a program does that goes on in the background.
DETACH = """\
import os, sys
child = os.fork()
if not child:
    between = os.getpid()
    if os.fork():
        os._exit(0)
    os.setsid()
    while os.getppid() == between:
        pass
    print(os.getpid(), flush=True)
    sys.stdin.read()
    os._exit(0)
os.waitpid(child, 0)
sys.stdin.read()
"""
SHELL = str(Path(agentkeys_shell.__file__).parent.parent)


def stays_below(before: str) -> tuple[str, bool]:
    """What become_subreaper says after `before`, and whether it is so."""
    with a_program(BECOME.format(before=before), SHELL, DETACH) as child:
        said = read_line(child.stdout)
        detached = the_process(int(read_line(child.stdout)))
        return said, the_process(child.pid) in ancestors(detached)


def test_a_double_fork_stays_below_the_program() -> None:
    """Through the execve, which makes it another program."""
    assert stays_below("") == ("True", True)


def test_without_it_a_double_fork_gets_away() -> None:
    """Which is what it is for."""
    assert stays_below("become_subreaper = str") == ("", False)


def test_it_does_not_hang_on_names_that_nobody_promises() -> None:
    """`_ctypes` is Python's own business."""
    assert stays_below("import _ctypes; del _ctypes.call_function") == ("True", True)


@pytest.mark.parametrize(
    "before",
    [
        "sys.modules['_ctypes'] = None",
        "import _ctypes; del _ctypes.dlsym; sys.modules['ctypes'] = None",
        "sys.platform = 'darwin'",
    ],
)
def test_the_program_runs_without_it(before: str) -> None:
    """As in an interpreter without foreign calls, or on another system."""
    assert stays_below(before) == ("False", False)
