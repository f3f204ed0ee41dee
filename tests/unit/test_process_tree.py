"""Whose descendant a process is, and the run that it was once started in."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence

import pytest

from agentkeys.processes import ProcessFacts, ProcessId
from agentkeys_daemon.process_tree import AncestryUnknown, ancestors, initial_run
from tests.support.families import a_program, family, the_process, wait_for_end
from tests.support.programs import read_line

READ = "import sys; print('ready', flush=True); sys.stdin.read()"


# ancestors


def test_a_line_goes_up_from_the_process_itself() -> None:
    """Through us, to where there is no parent any more."""
    with family(4) as line:
        found = ancestors(line.youngest)
        ours = ancestors(the_process(os.getpid()))
    assert found[:4] == line.members[::-1]
    assert found[4:] == ours
    assert len(set(found)) == len(found)


def test_an_orphan_goes_on_without_its_parent() -> None:
    """And whoever has adopted it is above it."""
    with family(3) as line:
        first, second, third = line.members
        os.kill(second.pid, signal.SIGKILL)
        line.head.wait(timeout=60)  # it has waited for the second one
        found = ancestors(third)
        assert found[0] == third
        assert first not in found
        assert second not in found


def test_every_look_is_right_while_parents_end() -> None:
    """Nobody is taken for an ancestor who is none."""
    above = ancestors(the_process(os.getpid()))
    for _ in range(30):
        with family(4) as line:
            os.kill(line.members[2].pid, signal.SIGKILL)
            for _ in range(40):
                found = ancestors(line.youngest)
                assert found[0] == line.youngest
                assert set(found[1:]) <= {*line.members[:3], *above}
                assert found[-1] == above[-1]


def test_of_one_that_has_ended_nothing_is_known() -> None:
    """Waited for or not; nor of one whose pid is another's by now."""
    with a_program(READ) as child:
        process = the_process(child.pid)
        later = ProcessId(child.pid, "1")
        with pytest.raises(AncestryUnknown, match="has ended"):
            ancestors(later)
        child.kill()
        wait_for_end(child)
        with pytest.raises(AncestryUnknown, match="has ended"):
            ancestors(process)
    with pytest.raises(AncestryUnknown, match="has ended"):
        ancestors(process)


def test_a_climb_has_an_end() -> None:
    """One who nests without bounds is not followed, and not taken for somebody without parents."""
    above = len(ancestors(the_process(os.getpid())))
    with family(5) as line:
        assert len(ancestors(line.youngest, limit=above + 4)) == above + 5
        with pytest.raises(AncestryUnknown, match="deeper"):
            ancestors(line.youngest, limit=above + 3)


class Looks:
    """A table of processes in which a pid is one thing first, then another, and then the last."""

    def __init__(self, **by_pid: Sequence[ProcessFacts | None]) -> None:
        self._next = {int(name.removeprefix("p")): list(facts) for name, facts in by_pid.items()}

    def __call__(self, pid: int) -> ProcessFacts | None:
        facts = self._next[pid]
        return facts.pop(0) if len(facts) > 1 else facts[0]


def facts(parent: int, began: int) -> ProcessFacts:
    return ProcessFacts(parent=parent, started=str(began), began=began, has_ended=False)


CLIENT = ProcessId(9, "90")
INIT = facts(parent=0, began=1)


def test_a_parent_that_ends_is_looked_past() -> None:
    """The next look finds who has adopted the client."""
    table = Looks(p9=[facts(7, 90), facts(1, 90)], p7=[None], p1=[INIT])
    assert ancestors(CLIENT, look=table) == (CLIENT, ProcessId(1, "1"))


def test_a_later_process_with_a_parents_pid_is_no_parent() -> None:
    """It began after the child."""
    table = Looks(p9=[facts(7, 90), facts(1, 90)], p7=[facts(5, 91)], p1=[INIT])
    assert ancestors(CLIENT, look=table) == (CLIENT, ProcessId(1, "1"))


def test_a_parent_that_is_kept_from_us_is_the_end() -> None:
    """As where /proc hides what other users run: it is there, and a run's own is not hidden."""
    table = Looks(p9=[facts(7, 90)], p7=[facts(5, 70)], p5=[None])
    assert ancestors(CLIENT, look=table) == (CLIENT, ProcessId(7, "70"))


def test_one_whose_parents_never_hold_still_is_not_vouched_for() -> None:
    """Somebody who makes parents come and go gains nothing by it."""
    table = Looks(p9=[facts(7, 90), facts(8, 90)] * 20, p7=[None], p8=[None])
    with pytest.raises(AncestryUnknown, match="come and go"):
        ancestors(CLIENT, look=table)


# the initial environment


def initial_run_of(env: dict[str, str], program: str = READ) -> str | None:
    with a_program(program, env=env) as child:
        assert read_line(child.stdout) == "ready"
        return initial_run(the_process(child.pid))


def test_a_run_is_told_from_the_environment_that_a_program_began_with() -> None:
    """First, last or alone in it."""
    run = {"AGENTKEYS_RUN": "abcdefgh"}
    other = {"PATH": "/bin", "LANG": "C"}
    for env in (run, run | other, other | run):
        assert initial_run_of(env) == "abcdefgh"


def test_without_one_there_is_none() -> None:
    """Names and values that only look alike are none; an empty one is there."""
    assert initial_run_of({"PATH": "/bin"}) is None
    assert initial_run_of({"X_AGENTKEYS_RUN": "a", "Y": "AGENTKEYS_RUN=b"}) is None
    assert initial_run_of({"AGENTKEYS_RUN": ""}) == ""


def test_a_program_cannot_take_it_back() -> None:
    """What it does to its environment later does not show."""
    program = "import os; del os.environ['AGENTKEYS_RUN'];" + READ
    assert initial_run_of({"AGENTKEYS_RUN": "abcdefgh"}, program) == "abcdefgh"


def test_a_large_environment_hides_nothing() -> None:
    """However much lies before it."""
    padding = {f"PADDING_{number}": "x" * 100_000 for number in range(15)}
    assert initial_run_of(padding | {"AGENTKEYS_RUN": "abcdefgh"}) == "abcdefgh"


def test_of_one_that_has_ended_there_is_none() -> None:
    """Which is no error."""
    with a_program(READ, env={"AGENTKEYS_RUN": "abcdefgh"}) as child:
        process = the_process(child.pid)
    assert initial_run(process) is None
