"""Tokens that a command prints: one run for each, and one for whoever asks whom they name."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

import pytest

from agentkeys.errors import SourceFailed, TokenError, TokenInvalid, WrongIdentity
from agentkeys.tokens.command import CommandTokenSource
from tests.support.moved_clock import MovedClock
from tests.support.token_script import TokenScript
from tests.support.tokens import ALICE, BOB, MISMADE, mismade_jwt, web_identity_claims
from tests.support.tokens import web_identity_jwt as a_token

T = TypeVar("T")

SECRET = "s3cr3t-of-the-command"
LIMIT = timedelta(seconds=20)


class Place:
    """A source at work, and the command that it runs."""

    def __init__(self, folder: Path) -> None:
        self.script = TokenScript(folder)
        self.clock = MovedClock()
        self.source = self.source_of(*self.script.argv)

    def source_of(self, *argv: str, limit: timedelta = LIMIT) -> CommandTokenSource:
        return CommandTokenSource(argv=argv, timeout=limit, clock=self.clock)

    async def refusal(self, *argv: str, limit: timedelta = LIMIT) -> TokenError:
        """What is said of the command, the same for whoever asks: a line, a hint, no secret."""
        source = self.source_of(*argv, limit=limit)
        told = []
        for ask in (source.subject, source.subject, lambda: source.fetch_token("anybody")):
            with pytest.raises((SourceFailed, TokenInvalid)) as caught:
                await ask()
            told.append((caught.type, caught.value.message, caught.value.hint))
        assert len(set(told)) == 1
        assert source.held_subject() is None
        problem = caught.value
        assert problem.message.isprintable()
        assert problem.hint
        assert SECRET not in f"{problem.message} {problem.hint}"
        return problem


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def play(story: Callable[[], Awaitable[T]]) -> T:
    async def played() -> T:
        return await story()

    return asyncio.run(played())


def test_a_run_that_tells_who_it_is_is_not_wasted(place: Place) -> None:
    """Its token is the first that is fetched; every other costs a run of its own."""
    tokens = [a_token() for _ in range(3)]
    place.script.give(tokens)

    async def story() -> list[str]:
        subject = await place.source.subject()
        return [(await place.source.fetch_token(subject)).jwt.reveal() for _ in range(3)]

    assert play(story) == tokens
    assert place.script.runs == 3


def test_the_command_runs_once_however_many_ask(place: Place) -> None:
    """Whom its tokens name, as long as nobody knows; one who gives up leaves it to the others."""
    place.script.give([a_token()])

    async def story() -> None:
        asked = [asyncio.create_task(place.source.subject()) for _ in range(20)]
        await asyncio.sleep(0)
        asked[0].cancel()
        assert len(set(await asyncio.gather(*asked[1:]))) == 1
        assert await place.source.subject() == place.source.held_subject()

    play(story)
    assert place.script.runs == 1


@pytest.mark.parametrize(
    ("lifetime", "later"),
    [
        pytest.param(timedelta(seconds=59), timedelta(0), id="hardly begun"),
        pytest.param(timedelta(hours=1), timedelta(seconds=31), id="left lying"),
        pytest.param(timedelta(seconds=80), timedelta(seconds=25), id="nearly over"),
    ],
)
def test_a_token_too_old_is_not_used(place: Place, lifetime: timedelta, later: timedelta) -> None:
    """The command runs again."""

    async def story() -> str:
        place.script.give([a_token(lifetime=lifetime)])
        subject = await place.source.subject()
        place.clock.move(later)
        fresh = a_token(at=place.clock.now())
        place.script.give([fresh])
        token = await place.source.fetch_token(subject)
        assert token.jwt.reveal() == fresh
        return token.subject

    assert play(story) == f"agentkeys:agent:{ALICE.subject}"
    assert place.script.runs == 2


def test_a_storm_meets_one_failure(place: Place) -> None:
    """It hears the same of a command that has just failed, which is then tried again."""

    async def storm() -> list[object]:
        return await asyncio.gather(
            *(place.source.subject() for _ in range(50)), return_exceptions=True
        )

    async def story() -> None:
        first, second = await storm(), await storm()
        assert all(isinstance(told, SourceFailed) for told in first)
        assert {str(told) for told in first} == {str(told) for told in second}
        assert place.script.runs == 1
        place.clock.move(timedelta(seconds=5))
        place.script.give([a_token()])
        assert await place.source.subject()

    play(story)


def test_somebody_else_s_token_is_not_given(place: Place) -> None:
    """The source learns of them; the next who asks is theirs."""

    async def story() -> None:
        place.script.give([a_token(ALICE)])
        alice = await place.source.subject()
        await place.source.fetch_token(alice)
        place.script.give([a_token(BOB), a_token(BOB)])
        with pytest.raises(WrongIdentity, match="somebody else by now: agentkeys:agent:0xb0b"):
            await place.source.fetch_token(alice)
        bob = place.source.held_subject()
        assert bob not in (None, alice)
        assert await place.source.subject() == bob
        assert (await place.source.fetch_token(bob or "")).subject.endswith(BOB.subject)

    play(story)


def test_whoever_is_known_stays_known(place: Place) -> None:
    """A command that fails later says nothing of whose leases are held."""

    async def story() -> None:
        place.script.give([a_token()])
        subject = await place.source.subject()
        await place.source.fetch_token(subject)
        for _ in range(2):
            with pytest.raises(SourceFailed, match="failed with exit status 1"):
                await place.source.fetch_token(subject)
        assert await place.source.subject() == place.source.held_subject() == subject

    play(story)


# What is no token.


@pytest.mark.parametrize(
    ("script", "message"),
    [
        pytest.param(f"echo {SECRET} >&2; exit 1", "failed with exit status 1", id="it fails"),
        pytest.param(f"echo {SECRET}; echo {SECRET}", "printed more than one line", id="two lines"),
        pytest.param("true", "printed nothing", id="nothing"),
        pytest.param(f"echo {SECRET}", "is not a JWT of three segments", id="no token"),
        pytest.param(f'echo \'{{"token": "{SECRET}"}}\'', "is not a JWT", id="JSON"),
        pytest.param("head -c 30000 /dev/zero | tr '\\0' x", "is longer than 20000", id="long"),
        pytest.param("yes", "printed more than 64 KiB", id="endless"),
    ],
)
def test_what_is_no_token_is_told(place: Place, script: str, message: str) -> None:
    """With the command's name, and nothing of what it printed."""
    problem = play(lambda: place.refusal("/bin/sh", "-c", script))
    assert "/bin/sh" in problem.message
    assert message in problem.message


def test_a_command_that_hangs_is_told(place: Place) -> None:
    """After its own limit, however short."""
    problem = play(lambda: place.refusal("/bin/sleep", "60", limit=timedelta(milliseconds=300)))
    assert problem.message == "the token command /bin/sleep did not end within 0.3 s"


def test_a_missing_command_is_told(place: Place) -> None:
    """Said as it is."""
    problem = play(lambda: place.refusal("/no/such/command"))
    assert problem.message == "the token command /no/such/command was not found"


def test_an_expired_token_is_told(place: Place) -> None:
    """The clock may be to blame."""
    old = a_token(lifetime=timedelta(0))
    problem = play(lambda: place.refusal("/bin/echo", old))
    assert "from the token command has expired" in problem.message
    assert "clock" in problem.hint


@pytest.mark.parametrize("how", ["signed with a shared secret", "not signed", "without an expiry"])
def test_what_no_store_takes_is_told(place: Place, how: str) -> None:
    """Before any store sees it."""
    assert how in MISMADE
    token = mismade_jwt(how, web_identity_claims())
    problem = play(lambda: place.refusal("/bin/echo", token))
    assert "the output of /bin/echo holds no token for a store" in problem.message
