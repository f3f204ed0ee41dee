"""Being told when a process ends that is no child of ours, whichever way it is watched."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from agentkeys.processes import ProcessId
from agentkeys_daemon.watches import ProcessWatch, process_watch
from agentkeys_daemon.watches.pidfd import PidfdWatch
from agentkeys_daemon.watches.polling import PollingWatch
from tests.support.families import a_program, family, the_process, wait_for_end
from tests.support.programs import read_line

PATIENCE = 60  # seconds
READ = "import sys; print('ready', flush=True); sys.stdin.read()"
BECOME = """\
import os, sys
sys.stdin.readline()
os.execv(sys.executable, [sys.executable, "-I", "-S", "-c", sys.argv[1]])
"""


class NoWatch:
    """A ProcessWatch for where none should be needed, which takes note of who is left to it."""

    def __init__(self) -> None:
        self.left: list[ProcessId] = []

    def watch(self, process: ProcessId, ended: Callable[[], None]) -> Callable[[], None]:
        self.left.append(process)
        return lambda: None


@pytest.fixture(params=["pidfd", "polling"])
def watch(request: pytest.FixtureRequest) -> Iterator[ProcessWatch]:
    """Each in turn; no descriptor is left open by it."""
    before = descriptors()
    otherwise = NoWatch()
    polling = request.param == "polling"
    yield PollingWatch(seconds=0.01) if polling else PidfdWatch(otherwise=otherwise)
    assert otherwise.left == []
    assert descriptors() == before


def descriptors() -> list[str]:
    return os.listdir("/proc/self/fd")  # noqa: PTH208 - names alone


class Ends:
    """How often a process was said to have ended."""

    def __init__(self) -> None:
        self.count = 0
        self._first = asyncio.Event()

    def __call__(self) -> None:
        self.count += 1
        self._first.set()

    async def first(self) -> None:
        """Returns with the first time, after room for a second one."""
        await asyncio.wait_for(self._first.wait(), PATIENCE)
        await asyncio.sleep(0.05)


def test_an_end_is_told_once(watch: ProcessWatch) -> None:
    """Whether somebody has waited for the process or not, and not before it has ended."""

    async def story() -> None:
        ends = Ends()
        with a_program(READ) as child:
            watch.watch(the_process(child.pid), ends)
            await asyncio.sleep(0.05)
            assert ends.count == 0
            child.kill()
            wait_for_end(child)
            await ends.first()
            assert ends.count == 1

    asyncio.run(story())


def test_it_need_not_be_a_child_of_ours(watch: ProcessWatch) -> None:
    """Somebody else waits for it."""

    async def story() -> None:
        ends = Ends()
        with family(3) as line:
            watch.watch(line.youngest, ends)
            os.kill(line.youngest.pid, signal.SIGKILL)
            await ends.first()
            assert ends.count == 1

    asyncio.run(story())


def test_it_may_become_another_program(watch: ProcessWatch) -> None:
    """An execve is no end."""

    async def story() -> None:
        ends = Ends()
        with a_program(BECOME, READ) as child:
            watch.watch(the_process(child.pid), ends)
            assert child.stdin
            child.stdin.write("now\n")
            child.stdin.flush()
            assert await asyncio.to_thread(read_line, child.stdout) == "ready"
            await asyncio.sleep(0.05)
            assert ends.count == 0
            child.stdin.close()
            await ends.first()
            assert ends.count == 1

    asyncio.run(story())


def test_what_has_ended_already_is_told_soon(watch: ProcessWatch) -> None:
    """Though not before it can be cancelled: one not waited for, one gone, and one long gone."""

    async def story() -> None:
        with a_program(READ) as child:
            process = the_process(child.pid)
            earlier = ProcessId(child.pid, "1")  # somebody else has its pid
            await told_later(earlier)
            child.kill()
            wait_for_end(child)
            await told_later(process)
        await told_later(process)

    async def told_later(process: ProcessId) -> None:
        ends = Ends()
        watch.watch(process, ends)
        assert ends.count == 0
        await ends.first()
        assert ends.count == 1

    asyncio.run(story())


def test_after_a_cancel_nothing_is_told(watch: ProcessWatch) -> None:
    """Before the end, when the end has come and is not told yet, and as often as one likes."""

    async def story() -> None:
        ends = Ends()
        with a_program(READ) as child:
            process = the_process(child.pid)
            cancels = [watch.watch(process, ends) for _ in range(3)]
            await asyncio.sleep(0.05)
            cancels[0]()
            child.kill()
            wait_for_end(child)
            # The loop has not had time to tell yet.
            cancels[1]()
            cancels[2]()
            cancels[2]()
            watch.watch(process, ends)()
            await asyncio.sleep(0.1)
            assert ends.count == 0

    asyncio.run(story())


def test_a_cancel_after_the_end_does_nothing(watch: ProcessWatch) -> None:
    """Above all, it closes nobody else's descriptor."""

    async def story() -> None:
        ends = Ends()
        with a_program(READ) as child:
            cancel = watch.watch(the_process(child.pid), ends)
            child.kill()
            await ends.first()
            reader, writer = os.pipe()
            cancel()
            os.write(writer, b"still open")
            os.close(reader)
            os.close(writer)

    asyncio.run(story())


def test_many_are_watched_at_once(watch: ProcessWatch) -> None:
    """Each has its own end."""

    async def story() -> None:
        with family(20) as line:
            every = [Ends() for _ in line.members]
            for member, ends in zip(line.members, every, strict=True):
                watch.watch(member, ends)
            # Its parent has nothing more to wait for then, and so on.
            os.kill(line.youngest.pid, signal.SIGKILL)
            for ends in every:
                await ends.first()
        assert [ends.count for ends in every] == [1] * len(every)

    asyncio.run(story())


@contextmanager
def no_descriptor_to_spare() -> Iterator[None]:
    """Nothing can be opened within."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (1, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_without_a_descriptor_another_watch_takes_over() -> None:
    """An end is not missed for want of one, and a process not taken for one that has ended."""

    async def story() -> None:
        ends = Ends()
        with a_program(READ) as child:
            process = the_process(child.pid)
            with no_descriptor_to_spare():
                PidfdWatch(otherwise=PollingWatch(seconds=0.01)).watch(process, ends)
                await asyncio.sleep(0.1)
                assert ends.count == 0
            child.kill()
            await ends.first()
            assert ends.count == 1

    asyncio.run(story())


def test_every_system_has_its_watch() -> None:
    """The one that the daemon uses."""

    async def story() -> None:
        ends = Ends()
        with a_program(READ) as child:
            process_watch().watch(the_process(child.pid), ends)
            child.kill()
            await ends.first()
            assert ends.count == 1

    asyncio.run(story())
