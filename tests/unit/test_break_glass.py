"""What breaking the glass takes, before anybody is asked."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentkeys.errors import BreakGlassRefused, ProtocolError
from agentkeys.processes import ProcessId, facts_of
from agentkeys_daemon.peers import Peer
from agentkeys_daemon.runs.asked import LONGEST_REASON, AskedRun
from agentkeys_shell.asked_run import check_options
from agentkeys_shell.break_glass import LONGEST_REASON as SHELLS_LONGEST
from agentkeys_shell.break_glass import announce
from tests.support.families import the_process
from tests.support.programs import read_line

READ = "import sys; print('ready', flush=True); sys.stdin.read()"
BOTH = {"break_glass": "yes", "reason": "INC-4711"}


@contextmanager
def at_terminal() -> Iterator[None]:
    """Standard input and error are a terminal meanwhile."""
    ours, theirs = pty.openpty()
    kept = {number: os.dup(number) for number in (0, 2)}
    for number in kept:
        os.dup2(theirs, number)
    try:
        yield
    finally:
        for number, copy in kept.items():
            os.dup2(copy, number)
            os.close(copy)
        os.close(theirs)
        os.close(ours)


@pytest.mark.parametrize(
    "more", [{}, {"read_only": "yes", "allow": "s3://a/:ro"}, {"set": "A=region"}], ids=str
)
def test_a_person_with_a_reason_may(more: dict[str, str]) -> None:
    """As may one who narrows it."""
    with at_terminal():
        check_options(BOTH | more, ["true"])


def test_without_a_terminal_nobody_may() -> None:
    """As in a pipeline, in cron or in a service."""
    with at_terminal():
        reading, writing = os.pipe()
        os.dup2(reading, 0)
        os.close(reading)
        try:
            with pytest.raises(BreakGlassRefused, match="person at a terminal"):
                check_options(BOTH, ["true"])
        finally:
            os.close(writing)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"reason": "INC-4711"}, "--reason is for --break-glass"),
        ({"break_glass": "yes"}, "takes a reason"),
        (BOTH | {"refresh": "yes"}, "--break-glass and --refresh"),
        (BOTH | {"legacy_mint": "URL:TOKEN"}, "--break-glass and --legacy-mint"),
        (BOTH | {"explain": "yes"}, "--break-glass and --explain"),
        (BOTH | {"reason": "   "}, "not one line"),
        (BOTH | {"reason": "two\nlines"}, "not one line"),
        (BOTH | {"reason": "\x1b[2Knone"}, "not one line"),
        (BOTH | {"reason": "\udcff"}, "not one line"),
        (BOTH | {"reason": "x" * 501}, "has 501 characters"),
    ],
)
def test_what_cannot_be_meant_is_refused(options: Mapping[str, str], words: str) -> None:
    """Before anything is said or asked."""
    with at_terminal(), pytest.raises(BreakGlassRefused, match=words) as refused:
        check_options(options, ["true"])
    assert refused.value.code == "break_glass_refused"
    assert refused.value.hint


@pytest.mark.parametrize(
    ("profile", "environ", "words"),
    [
        ("prod", {}, "profile prod"),
        (None, {"AGENTKEYS_PROFILE": "prod"}, "profile prod"),
        (None, {}, "the default profile"),
        ("\x1b[2K", {}, "profile ?[2K"),
    ],
)
def test_it_is_announced(
    capfd: pytest.CaptureFixture[str], profile: str | None, environ: dict[str, str], words: str
) -> None:
    """With what will be on record of it."""
    options = BOTH if profile is None else BOTH | {"profile": profile}
    announce(options, environ)
    said = f"agentkeys: break-glass: {words}, at most 15 minutes, recorded: INC-4711\n"
    assert capfd.readouterr() == ("", said)


def test_both_sides_take_reasons_of_the_same_length() -> None:
    """The shell does not import the daemon."""
    assert LONGEST_REASON == SHELLS_LONGEST == 500


@given(st.text(min_size=1, max_size=600))
def test_a_reason_stays_what_it_was_or_is_refused(reason: str) -> None:
    """No letter of it is changed, and what could pass for another line is no reason."""
    try:
        asked = AskedRun.parse({"break_glass": True, "reason": reason})
    except BreakGlassRefused:
        assert len(reason) > 500 or not reason.strip() or not reason.isprintable()
    else:
        assert asked.reason == reason
        assert len(reason.splitlines()) == 1


@pytest.mark.parametrize("asked", [{"reason": "why"}, {"reason": "why", "break_glass": False}])
def test_a_reason_alone_is_a_mistake(asked: dict[str, object]) -> None:
    """Whoever gives one must not go without a record of it."""
    with pytest.raises(ProtocolError):
        AskedRun.parse(asked)


@pytest.mark.parametrize("value", [1, "true", "", None, []])
def test_it_is_asked_for_by_a_boolean(value: object) -> None:
    """Nothing else is taken for one."""
    with pytest.raises(ProtocolError):
        AskedRun.parse({"break_glass": value, "reason": "why"})


def test_the_system_tells_who_has_a_terminal() -> None:
    """Whatever a process reads from; who leads a session of its own has none at first."""
    ours, theirs = pty.openpty()
    take = f"import fcntl, termios; fcntl.ioctl({theirs}, termios.TIOCSCTTY, 0); {READ}"
    try:
        for program, expected in ((take, True), (READ, False)):
            with subprocess.Popen(
                [sys.executable, "-I", "-S", "-c", program],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                pass_fds=[theirs],
                start_new_session=True,
                text=True,
            ) as process:
                assert read_line(process.stdout) == "ready"
                facts = facts_of(process.pid)
                assert facts
                assert facts.has_terminal is expected
                peer = Peer(os.getuid(), process.pid, the_process(process.pid))
                assert peer.has_terminal() is expected
                # Pids are used again.
                assert not Peer(os.getuid(), 1, ProcessId(process.pid, "1")).has_terminal()
    finally:
        os.close(ours)
        os.close(theirs)


def test_of_whom_nobody_knows_none_is_at_a_terminal() -> None:
    """A peer that has ended, or is in another pid namespace."""
    assert not Peer(os.getuid(), None).has_terminal()
    assert not Peer(os.getuid(), os.getpid()).has_terminal()
