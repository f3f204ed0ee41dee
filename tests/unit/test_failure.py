"""How a program of ours fails: two lines and a status."""

from __future__ import annotations

import errno
import os
import subprocess
import sys

import pytest

from agentkeys.errors import AgentkeysError, DaemonNotRunning, LoginRequired
from agentkeys_shell.failure import complain, say


@pytest.mark.parametrize(
    ("problem", "status"),
    [
        pytest.param(AgentkeysError("it broke", hint="mend it"), 1, id="an error"),
        pytest.param(LoginRequired("it broke", hint="mend it"), 3, id="somebody must act"),
        pytest.param(DaemonNotRunning("it broke", hint="mend it"), 4, id="no daemon"),
    ],
)
def test_an_error_says_what_happened_and_what_to_do(
    problem: AgentkeysError, status: int, capfd: pytest.CaptureFixture[str]
) -> None:
    """On stderr, and nothing on stdout."""
    assert complain(problem) == status
    out, err = capfd.readouterr()
    assert out == ""
    assert err == "agentkeys: error: it broke\nagentkeys: hint: mend it\n"


def test_what_nobody_foresaw_is_told_by_its_kind_alone(
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Its text may quote what it choked on."""
    assert complain(ValueError("secret-1")) == 1
    err = capfd.readouterr().err
    assert "an unforeseen ValueError" in err
    assert "secret-1" not in err


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EBADF, errno.EFBIG])
def test_output_that_cannot_be_written_is_an_error(
    number: int, capfd: pytest.CaptureFixture[str]
) -> None:
    """With the system's reason."""
    assert complain(OSError(number, os.strerror(number))) == 1
    lines = capfd.readouterr().err.splitlines()
    expected = f"agentkeys: error: the output cannot be written: {os.strerror(number).lower()}"
    assert lines[0] == expected
    assert lines[1].startswith("agentkeys: hint: ")


def test_a_reader_that_has_had_enough_is_told_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    """As in `agentkeys profiles | head -1`."""
    assert complain(BrokenPipeError()) == 1
    assert capfd.readouterr().err == ""


def test_without_a_hint_there_is_one_line(capfd: pytest.CaptureFixture[str]) -> None:
    """Rather than an empty one."""
    complain(AgentkeysError("it broke"))
    assert capfd.readouterr().err == "agentkeys: error: it broke\n"


@pytest.mark.parametrize(
    ("words", "line"),
    [
        pytest.param("two\nlines", "two?lines", id="a line's end"),
        pytest.param("\x1b[2Jgone", "?[2Jgone", id="a terminal's commands"),
        pytest.param("\u202eback", "?back", id="text turned around"),
        pytest.param("grün ✓", "grün ✓", id="letters"),
        pytest.param("a\udce9b", "a?b", id="no utf-8"),
    ],
)
def test_a_line_stays_one(words: str, line: str, capfd: pytest.CaptureFixture[str]) -> None:
    """Whatever a broker or a file's name has put into it."""
    say(words)
    assert capfd.readouterr().err == f"agentkeys: {line}\n"


def test_a_closed_stderr_is_no_second_failure() -> None:
    """The exit status still tells."""
    program = (
        "import os, sys; from agentkeys_shell.failure import complain;"
        "from agentkeys.errors import LoginRequired; os.close(2);"
        "sys.exit(complain(LoginRequired('x')))"
    )
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONWARNINGS"}
    done = subprocess.run([sys.executable, "-c", program], check=False, env=environ)
    assert done.returncode == 3
