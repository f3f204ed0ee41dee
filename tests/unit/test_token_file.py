"""Tokens from a file: read again when it changes, and never while it is anything but a token."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import TypeVar

import pytest

from agentkeys.clock import Clock
from agentkeys.errors import SourceAbsent, SourceFailed, TokenError, TokenInvalid, WrongIdentity
from agentkeys.tokens.file import FileTokenSource
from tests.support.moved_clock import MovedClock, WrongClock
from tests.support.tokens import ALICE, BOB, MISMADE, mismade_jwt, web_identity_claims
from tests.support.tokens import web_identity_jwt as a_token

T = TypeVar("T")

LATER = WrongClock(timedelta(minutes=1))
"""By it every file has been left alone for a while."""


class Naps:
    """Takes no time to sleep; `then` happens at the first of them."""

    def __init__(self, then: Callable[[], object] = lambda: None) -> None:
        self.seconds: list[float] = []
        self._then = then

    async def __call__(self, seconds: float) -> None:
        if not self.seconds:
            self._then()
        self.seconds.append(seconds)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write(tmp_path / "token", a_token(ALICE))


def write(path: Path, content: str | bytes, *, mode: int = 0o600) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    path.chmod(mode)
    return path


def replace(path: Path, content: str) -> None:
    """As careful writers do."""
    write(path.with_name("new"), content).replace(path)


def source_of(
    path: Path, *, clock: Clock | None = None, naps: Naps | None = None
) -> FileTokenSource:
    return FileTokenSource(path=lambda: path, clock=clock or MovedClock(), sleep=naps or Naps())


def fetch(source: FileTokenSource) -> str:
    """A token of whomever the source names; its text."""

    async def story() -> str:
        return (await source.fetch_token(await source.subject())).jwt.reveal()

    return asyncio.run(story())


def run(asked: Awaitable[T]) -> T:
    async def story() -> T:
        return await asked

    return asyncio.run(story())


def refusal(path: Path, *, naps: Naps | None = None) -> TokenError:
    """What is said of the file: the same for whoever asks, on a line, with a hint."""
    source = source_of(path, naps=naps)
    told = []
    for asked in (source.subject(), source.fetch_token("anybody")):
        with pytest.raises((SourceFailed, TokenInvalid)) as caught:
            run(asked)
        told.append((caught.type, caught.value.message, caught.value.hint))
    assert told[0] == told[1]
    assert source.held_subject() is None
    problem = caught.value
    assert problem.message.isprintable()
    assert problem.hint
    return problem


# What works.


def test_the_token_in_the_file_is_given(path: Path) -> None:
    """As whoever it says it is of, at whichever issuer."""
    source = source_of(path)
    assert source.held_subject() is None
    assert fetch(source) == path.read_text()
    claims = web_identity_claims(ALICE)
    assert source.held_subject() == f"{claims['iss']} {claims['sub']}"


@pytest.mark.parametrize("ending", ["\n", "\r\n", "  \n", "\n\n"])
def test_white_space_around_it_is_no_part_of_it(path: Path, ending: str) -> None:
    """Editors and `echo` leave some."""
    token = path.read_text()
    write(path, "\n" + token + ending)
    assert fetch(source_of(path)) == token


def test_a_changed_file_is_read_again(path: Path) -> None:
    """Whether it was replaced or written over, and whomever it names then."""
    source = source_of(path, clock=LATER)
    subject = run(source.subject())
    replace(path, a_token(BOB))
    changed = run(source.subject())
    assert changed != subject
    write(path, a_token(ALICE))
    assert run(source.subject()) == subject


def test_a_swap_of_links_is_a_change(tmp_path: Path) -> None:
    """Kubernetes swaps the folder that `..data` leads to, and the token's own link stays."""
    for name, user in (("..1", ALICE), ("..2", BOB)):
        (tmp_path / name).mkdir()
        write(tmp_path / name / "token", a_token(user, at=LATER.now()))
    (tmp_path / "..data").symlink_to("..1")
    (tmp_path / "token").symlink_to("..data/token")
    source = source_of(tmp_path / "token", clock=LATER)
    subject = run(source.subject())
    (tmp_path / "..data_tmp").symlink_to("..2")
    (tmp_path / "..data_tmp").replace(tmp_path / "..data")
    assert run(source.subject()) != subject
    assert fetch(source) == (tmp_path / "..2" / "token").read_text()


def test_a_change_within_a_tick_of_the_clock_is_seen(path: Path) -> None:
    """What was written a moment ago may be written again with the same size and times."""
    source = source_of(path, clock=WrongClock(timedelta(0)))
    subject = run(source.subject())
    before = path.stat()
    write(path, a_token(BOB).ljust(before.st_size))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert run(source.subject()) != subject


def test_a_file_that_stays_as_it_is_is_not_read_again(path: Path) -> None:
    """Which costs a request one look at it, and not even the time."""

    class Watch(WrongClock):
        looks = 0

        def now(self) -> datetime:
            self.looks += 1
            return super().now()

    watch = Watch(timedelta(minutes=1))
    source = source_of(path, clock=watch)
    subject = run(source.subject())
    looks = watch.looks
    assert [run(source.subject()) for _ in range(3)] == [subject] * 3
    assert watch.looks == looks > 0
    path.touch()
    assert run(source.subject()) == subject
    assert watch.looks > looks


def test_an_expired_token_still_says_who_it_was(path: Path) -> None:
    """So that leases are served to their end; but it mints nothing more."""
    clock = MovedClock()
    source = source_of(path, clock=clock)
    subject = run(source.subject())
    clock.move(timedelta(minutes=5))
    assert run(source.subject()) == subject
    with pytest.raises(TokenInvalid, match=r"has expired, at 2026-06-01T12:05:00Z") as told:
        run(source.fetch_token(subject))
    assert "its writer has stopped" in told.value.hint
    write(path, a_token(ALICE, at=clock.now()))
    assert fetch(source)


def test_another_s_file_is_another_s(path: Path, tmp_path: Path) -> None:
    """Where the environment names another one, nothing of the old one is held."""
    paths = [path]
    source = FileTokenSource(path=lambda: paths[0], clock=LATER)
    subject = run(source.subject())
    paths[0] = write(tmp_path / "other", a_token(BOB))
    assert source.held_subject() is None
    with pytest.raises(WrongIdentity, match="somebody else by now: agentkeys:agent:0xb0b"):
        run(source.fetch_token(subject))
    assert run(source.subject()) != subject


def test_no_file_named_is_no_file_broken(path: Path) -> None:
    """That source is absent, whatever was there before."""
    absent: list[SourceAbsent] = []

    def where() -> Path:
        if absent:
            raise absent[0]
        return path

    source = FileTokenSource(path=where, clock=MovedClock())
    fetch(source)
    absent.append(SourceAbsent("none is named", hint="set AWS_WEB_IDENTITY_TOKEN_FILE"))
    assert source.held_subject() is None
    for asked in (source.subject(), source.fetch_token("anybody")):
        with pytest.raises(SourceAbsent):
            run(asked)


@pytest.mark.parametrize("name", ["a" * 300, "a/" * 3000, "a\0b"])
def test_a_path_that_no_system_opens_is_told(tmp_path: Path, name: str) -> None:
    """Whoever has set the variable to it hears of it."""
    with pytest.raises(SourceFailed, match=r"cannot be read: (File name too long|that is no path)"):
        run(source_of(tmp_path / name).subject())


# What somebody is writing.


@pytest.mark.parametrize("half", ["", "half", "{token}.", "cut"])
def test_half_a_token_is_waited_for(path: Path, half: str) -> None:
    """Writers that do not rename leave one for a moment."""
    whole = path.read_text()
    write(path, {"half": whole[: len(whole) // 2], "cut": whole[:9]}.get(half, ""))
    naps = Naps(then=lambda: write(path, whole))
    assert fetch(source_of(path, naps=naps)) == whole
    assert len(naps.seconds) == 1


def test_a_file_that_is_away_for_a_moment_is_waited_for(path: Path) -> None:
    """Where it was before: some writers remove the old one first."""
    whole = path.read_text()
    naps = Naps(then=lambda: write(path, whole))
    source = source_of(path, naps=naps)
    fetch(source)
    path.unlink()
    assert fetch(source) == whole
    assert len(naps.seconds) == 1


def test_a_file_that_has_gone_is_told(path: Path) -> None:
    """And used once more when it is back."""
    source = source_of(path, clock=LATER)
    subject = run(source.subject())
    path.unlink()
    with pytest.raises(SourceFailed, match="no token file at"):
        run(source.subject())
    write(path, a_token(ALICE))
    assert run(source.subject()) == subject


def test_nobody_waits_for_ever(path: Path) -> None:
    """About a second is what a writer gets."""
    naps = Naps()
    write(path, "")
    assert "is empty" in refusal(path, naps=naps).message
    assert sum(naps.seconds) / 2 == pytest.approx(1.0)


def test_many_wait_together(path: Path) -> None:
    """Those who ask whom a broken file names share the attempts."""
    naps = Naps()
    write(path, "half")
    source = source_of(path, naps=naps)

    async def story() -> list[object]:
        return await asyncio.gather(*(source.subject() for _ in range(50)), return_exceptions=True)

    assert all(isinstance(told, TokenInvalid) for told in asyncio.run(story()))
    assert len(naps.seconds) == 4


# What is no token file.


def test_a_missing_file_is_told_at_once(tmp_path: Path) -> None:
    """Nobody waits for what never was."""
    naps = Naps()
    problem = refusal(tmp_path / "none", naps=naps)
    assert problem.message == f"no token file at {tmp_path / 'none'}"
    assert naps.seconds == []


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(b"", "is empty", id="empty"),
        pytest.param(b" \n ", "is empty", id="blank"),
        pytest.param(b"<html>", "is not a JWT of three segments", id="HTML"),
        pytest.param(b"a.b.c", "is not a JWT", id="three letters"),
        pytest.param(b"\xff\xfe" * 40, "is not a JWT of three segments", id="binary"),
        pytest.param(b"x" * 20_001, "is longer than 20000 characters", id="long"),
        pytest.param(b"x" * 10_000_000, "is longer than 32768 bytes", id="huge"),
        pytest.param(
            f"{a_token()}\n{a_token()}".encode(), "is not a JWT of three segments", id="two"
        ),
    ],
)
def test_what_is_no_token_is_told(path: Path, content: bytes, message: str) -> None:
    """With the file's name, and nothing of what is in it."""
    write(path, content)
    problem = refusal(path)
    assert f"the token file {path} " in problem.message
    assert message in problem.message


@pytest.mark.parametrize(
    "how",
    [
        "signed with a shared secret",
        "not signed",
        "signature cut off",
        "without an expiry",
        "without an audience",
    ],
)
def test_what_no_store_takes_is_told(path: Path, how: str) -> None:
    """Before any store sees it."""
    assert how in MISMADE
    write(path, mismade_jwt(how, web_identity_claims()))
    assert "holds no token for a store" in refusal(path).message


def test_a_folder_is_refused(tmp_path: Path) -> None:
    """Said as it is."""
    assert refusal(tmp_path).message == f"the token file {tmp_path} is a folder"


def test_a_pipe_is_refused(tmp_path: Path) -> None:
    """Without waiting for somebody to write into it."""
    os.mkfifo(tmp_path / "pipe", 0o600)
    assert "is no regular file" in refusal(tmp_path / "pipe").message


def test_a_device_and_a_socket_are_refused(tmp_path: Path) -> None:
    """The one never ends, the other cannot be opened."""
    assert "is no regular file" in refusal(Path("/dev/zero")).message
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "s"))
        assert "cannot be read" in refusal(tmp_path / "s").message


def test_a_path_that_leads_nowhere_is_told(path: Path, tmp_path: Path) -> None:
    """Through a file, in a circle, or with a NUL."""
    assert "Not a directory" in refusal(path / "token").message
    (tmp_path / "loop").symlink_to("loop")
    assert "symbolic links" in refusal(tmp_path / "loop").message
    assert "that is no path" in refusal(Path("a\0b")).message


@pytest.mark.parametrize("mode", [0o604, 0o640, 0o660, 0o644, 0o601])
def test_a_file_open_to_others_is_refused(path: Path, mode: int) -> None:
    """As ssh refuses such keys: whoever reads it is its owner to any store."""
    path.chmod(mode)
    problem = refusal(path)
    assert problem.message == f"the token file {path} is open to other users"
    assert problem.hint == f"run: chmod 600 {path}"
    path.chmod(0o400)
    assert fetch(source_of(path))


def test_a_file_that_is_opened_up_is_noticed(path: Path) -> None:
    """A chmod changes nothing that is in it, and yet is a change."""
    source = source_of(path, clock=LATER)
    run(source.subject())
    path.chmod(0o644)
    with pytest.raises(SourceFailed, match="open to other users"):
        run(source.subject())


def test_a_strange_name_stays_on_its_line(tmp_path: Path) -> None:
    """In message and hint alike."""
    path = write(tmp_path / "to ken\n", a_token(), mode=0o644)
    problem = refusal(path)
    assert problem.hint.isprintable()


def test_what_is_refused_is_closed_again(path: Path, tmp_path: Path) -> None:
    """However often it is tried."""
    os.mkfifo(tmp_path / "pipe", 0o600)
    before = len([*Path("/dev/fd").iterdir()])
    for refused in (tmp_path, tmp_path / "pipe", Path("/dev/zero"), write(path, "", mode=0o644)):
        refusal(refused)
    assert len([*Path("/dev/fd").iterdir()]) == before
