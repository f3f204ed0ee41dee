"""A program of the configuration's, run for its one line: no shell, no waiting, nothing left."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from agentkeys.argv import run_argv
from agentkeys.errors import SourceFailed

SECRET = "s3cr3t-of-the-command"
LIMIT = 20.0
"""Seconds that no program here needs; long enough for a slow machine."""


def run(*argv: str, timeout: float = LIMIT) -> str:
    return asyncio.run(run_argv(argv, timeout=timeout, what="the token command"))


def run_sh(script: str, *arguments: str, timeout: float = LIMIT) -> str:
    return run("/bin/sh", "-c", script, *arguments, timeout=timeout)


def refusal(*argv: str, timeout: float = LIMIT) -> SourceFailed:
    """The refusal: one line and a hint, and nothing of what the program has printed."""
    with pytest.raises(SourceFailed) as caught:
        run(*argv, timeout=timeout)
    problem = caught.value
    assert problem.message.startswith("the token command")
    assert problem.message.isprintable()
    assert problem.hint
    assert SECRET not in f"{problem.message} {problem.hint}"
    assert problem.__cause__ is None
    return problem


def eventually(claim: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not claim():
        assert time.monotonic() < end, "it never came true"
        time.sleep(0.01)


def is_running(pid: int) -> bool:
    """Whether it still does something; what has ended and was not yet buried does not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    with suppress(FileNotFoundError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return sys.platform != "linux"


@pytest.fixture(autouse=True)
def _nothing_is_left() -> Iterator[None]:
    """Every test ends with the children, dead or alive, and the open files that it began with."""
    children, files = _children(), _open_files()
    yield
    eventually(lambda: _children() <= children)
    assert _open_files() == files


def _children() -> set[str]:
    """By number, those that are not buried yet too; servers of other tests may be among them."""
    found = set()
    for process in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            if int(process.read_text().rpartition(")")[2].split()[1]) == os.getpid():
                found.add(process.parent.name)
    return found


def _open_files() -> int:
    return len([*Path("/dev/fd").iterdir()])


# What works.


def test_the_line_is_handed_over() -> None:
    """Without its end, whether or not it has one."""
    assert run_sh("echo token") == "token"
    assert run_sh("printf token") == "token"
    assert run_sh("printf ' a b '") == " a b "


def test_there_is_no_shell() -> None:
    """Arguments arrive as they are written."""
    assert run("/bin/echo", "$HOME", "*", ";", "a  b") == "$HOME * ; a  b"


def test_programs_are_found_in_the_path() -> None:
    """As everywhere."""
    assert run("echo", "token") == "token"


def test_it_gets_no_input_and_no_terminal() -> None:
    """So nothing can wait for somebody to type, and no ^C of the daemon's reaches it."""
    assert run_sh("cat; pwd") == "/"
    assert run_sh('test "$(ps -o sid= -p $$ | tr -d " ")" = $$ && echo own') == "own"


def test_what_it_says_on_stderr_is_nobody_s() -> None:
    """However much it is."""
    assert run_sh("head -c 1000000 /dev/zero >&2; echo token") == "token"


def test_a_long_line_arrives_whole() -> None:
    """As long as the longest that anybody may want."""
    assert run_sh("head -c 65535 /dev/zero | tr '\\0' x; echo") == "x" * 65_535


def test_many_run_at_once() -> None:
    """Each gets its own line."""

    async def story() -> list[str]:
        runs = (
            run_argv(["/bin/echo", str(number)], timeout=LIMIT, what="it") for number in range(8)
        )
        return await asyncio.gather(*runs)

    assert asyncio.run(story()) == [str(number) for number in range(8)]


# What does not start.


def test_a_missing_program_is_told(tmp_path: Path) -> None:
    """And the file that a script's first line misses, which looks the same."""
    assert "no-such-program was not found" in refusal("no-such-program").message
    assert "was not found" in refusal(str(tmp_path / "gone")).message
    script = tmp_path / "script"
    script.write_text("#!/no/such/interpreter\n")
    script.chmod(0o700)
    assert "first line" in refusal(str(script)).hint


def test_what_cannot_be_run_is_told(tmp_path: Path) -> None:
    """A file without the permission, a folder, and a file that is no program."""
    plain = tmp_path / "plain"
    plain.write_text("token")
    assert "may not be run" in refusal(str(plain)).message
    assert "may not be run" in refusal(str(tmp_path)).message
    plain.chmod(0o700)
    assert "cannot be started: Exec format error" in refusal(str(plain)).message


def test_a_relative_path_is_refused() -> None:
    """It would mean another program wherever the daemon happens to be."""
    assert "relative path" in refusal("bin/../echo", "token").message


def test_arguments_that_no_program_can_get_are_told() -> None:
    """NUL ends an argument."""
    assert "cannot be started" in refusal("/bin/echo", "a\0b").message


# What fails.


def test_a_failure_shows_no_output() -> None:
    """Its standard error may repeat what it was to keep secret."""
    problem = refusal("/bin/sh", "-c", f"echo {SECRET}; echo {SECRET} >&2; exit 7")
    assert problem.message == "the token command /bin/sh failed with exit status 7"
    assert "run it yourself" in problem.hint


def test_a_killed_program_has_failed() -> None:
    """By whom, it cannot tell."""
    assert "ended by signal 9" in refusal("/bin/sh", "-c", "echo token; kill -9 $$").message


@pytest.mark.parametrize(
    ("script", "problem"),
    [
        pytest.param("true", "printed nothing", id="nothing"),
        pytest.param("echo; echo", "printed nothing", id="empty lines"),
        pytest.param("echo '  '", "printed nothing", id="blanks"),
        pytest.param(f"echo {SECRET}; echo {SECRET}", "more than one line", id="two lines"),
        pytest.param(f"echo; echo {SECRET}", "more than one line", id="an empty line first"),
        pytest.param(f"echo {SECRET}; echo", "more than one line", id="an empty line last"),
        pytest.param(f"printf '{SECRET}\\303\\274\\n'", "something else", id="not ASCII"),
        pytest.param(f"printf '{SECRET}\\377\\n'", "something else", id="not text"),
        pytest.param(f"printf '{SECRET}\\r\\n'", "something else", id="a carriage return"),
        pytest.param(f"printf '{SECRET}\\0\\n'", "something else", id="NUL"),
    ],
)
def test_anything_but_one_line_is_refused(script: str, problem: str) -> None:
    """Which of them would be the token is not for us to guess."""
    told = refusal("/bin/sh", "-c", script)
    assert problem in told.message
    assert "on one line" in told.hint


def test_endless_output_is_cut_short() -> None:
    """Without waiting for the end that it does not have."""
    assert "more than 64 KiB" in refusal("/bin/sh", "-c", "yes").message


# What hangs.


def test_a_program_that_hangs_is_ended(tmp_path: Path) -> None:
    """With everything that it has started, be it as stubborn as it may."""
    pids = tmp_path / "pids"
    script = """
        trap '' TERM
        sh -c 'trap "" TERM; echo $$ >> "$0"; while :; do sleep 1; done' "$0" &
        echo $$ >> "$0"
        echo half a token
        while :; do sleep 1; done
    """
    problem = refusal("/bin/sh", "-c", script, str(pids), timeout=1.0)
    assert problem.message == "the token command /bin/sh did not end within 1 s"
    eventually(lambda: not any(is_running(int(pid)) for pid in pids.read_text().split()))


def test_a_program_may_clean_up() -> None:
    """It is asked first, and killed only if it does not listen."""
    script = 'trap "rm $0; exit" TERM; touch $0; while :; do sleep 0.05; done'
    mark = Path(f"/tmp/agentkeys-cleaned-{os.getpid()}")  # noqa: S108 - sh must write it
    refusal("/bin/sh", "-c", script, str(mark), timeout=1.0)
    assert not mark.exists()


def test_closed_output_is_no_end() -> None:
    """What has said everything and goes on hangs all the same."""
    refusal("/bin/sh", "-c", "echo token; exec >&-; sleep 60", timeout=0.5)


def test_what_it_leaves_behind_is_not_waited_for(tmp_path: Path) -> None:
    """Even where that keeps its output open, as agents in the background do."""
    pid = tmp_path / "pid"
    asked_at = time.monotonic()
    try:
        assert run_sh('sleep 60 & echo $! > "$0"; echo token', str(pid)) == "token"
        assert time.monotonic() - asked_at < LIMIT / 2
    finally:
        os.kill(int(pid.read_text()), signal.SIGKILL)


@pytest.mark.parametrize("cancels", [1, 2, 3])
def test_whoever_gives_up_ends_it(tmp_path: Path, cancels: int) -> None:
    """However impatient."""
    pid = tmp_path / "pid"
    script = 'trap "" TERM; echo $$ > "$0.new"; mv "$0.new" "$0"; while :; do sleep 1; done'
    others = _children()

    async def story() -> None:
        asked = asyncio.create_task(
            run_argv(["/bin/sh", "-c", script, str(pid)], timeout=LIMIT, what="it")
        )
        await asyncio.to_thread(eventually, pid.exists)
        for _ in range(cancels):
            asked.cancel()
            await asyncio.sleep(0)
        with pytest.raises(asyncio.CancelledError):
            await asked
        await asyncio.to_thread(eventually, lambda: not is_running(int(pid.read_text())))
        await asyncio.to_thread(eventually, lambda: _children() <= others)

    asyncio.run(story())


def test_a_program_cannot_hang_a_loop_that_waits() -> None:
    """Others go on meanwhile."""

    async def story() -> int:
        beats = 0
        asked = asyncio.create_task(
            run_argv(["/bin/sh", "-c", "sleep 0.3; echo token"], timeout=LIMIT, what="it")
        )
        while not asked.done():
            beats += 1
            await asyncio.sleep(0.01)
        assert await asked == "token"
        return beats

    assert asyncio.run(story()) > 5
