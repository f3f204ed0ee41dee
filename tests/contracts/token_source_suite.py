"""What every token source promises.

A subclass says, as its `stage`, which one to try, and among what.
"""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Protocol, TypeVar

import pytest

from agentkeys.errors import AgentkeysError, WrongIdentity
from agentkeys.models import WebIdentityToken
from agentkeys.tokens import TokenSource

__all__ = [
    "ChangingSourceContract",
    "SetStage",
    "Stage",
    "Theatre",
    "TokenSourceContract",
    "fetch",
    "play",
]

T = TypeVar("T")

TOGETHER = 8
"""How many ask at once."""

STRANGER = "https://stranger.example.com somebody"


class Stage(Protocol):
    """A source, and all around it that a test changes. All is well at first."""

    source: TokenSource
    """It was asked for nothing yet."""

    @property
    def sub(self) -> str:
        """What tokens of now say in `sub`."""
        ...

    @property
    def secrets(self) -> tuple[str, ...]:
        """What neither the source nor its errors may show."""
        ...

    async def renew(self) -> None:
        """Where tokens are written before anybody asks, the next one is."""
        ...

    async def lose(self) -> None:
        """What the source needs is gone."""
        ...

    async def find(self) -> None:
        """It is back, and whatever pause the source makes after a failure is over."""
        ...

    async def hold(self) -> None:
        """A fetch waits from now on for `release`."""
        ...

    async def arrive(self) -> None:
        """Returns once a fetch waits."""
        ...

    async def release(self) -> None: ...

    async def change(self) -> None:
        """From now on tokens are somebody else's."""
        ...


SetStage = Callable[[], AbstractAsyncContextManager[Stage]]


class Theatre(Protocol):
    """Where such stages are set, each anew."""

    def set(self) -> AbstractAsyncContextManager[Stage]: ...


def play(set_stage: SetStage, story: Callable[[Stage], Awaitable[T]]) -> T:
    """Plays the story on a stage of its own, in an event loop of its own."""

    async def staged() -> T:
        async with asyncio.timeout(60), set_stage() as stage:
            return await story(stage)

    return asyncio.run(staged())


async def fetch(source: TokenSource) -> WebIdentityToken:
    """A token of whomever the source says it would be of."""
    return await source.fetch_token(await source.subject())


class TokenSourceContract:
    stage: Theatre

    absence: type[AgentkeysError]
    """What is raised when what the source needs is gone."""

    @pytest.fixture
    def set_stage(self) -> SetStage:
        return self.stage.set

    def test_a_token_is_of_whom_the_subject_stands_for(self, set_stage: SetStage) -> None:
        """And nobody expired, or meant for no store, comes along with it."""

        async def story(stage: Stage) -> None:
            token = await fetch(stage.source)
            assert token.subject == stage.sub
            assert token.issuer
            assert token.audiences

        play(set_stage, story)

    def test_the_same_user_stays_the_same(self, set_stage: SetStage) -> None:
        """However often anybody asks, and whatever was fetched meanwhile."""

        async def story(stage: Stage) -> None:
            subject = await stage.source.subject()
            for _ in range(2):
                await stage.source.fetch_token(subject)
                assert await stage.source.subject() == subject

        play(set_stage, story)

    def test_every_token_is_a_fresh_one(self, set_stage: SetStage) -> None:
        """Caching is the leases' business: a source goes out for every token."""

        async def story(stage: Stage) -> None:
            tokens = set()
            for _ in range(3):
                tokens.add((await fetch(stage.source)).jwt)
                await stage.renew()
            assert len(tokens) == 3

        play(set_stage, story)

    def test_nobody_else_s_token_is_given(self, set_stage: SetStage) -> None:
        """Whoever asks for a stranger's gets none, and the source is as good as before."""

        async def story(stage: Stage) -> None:
            for _ in range(2):
                with pytest.raises(WrongIdentity) as refusal:
                    await stage.source.fetch_token(STRANGER)
                assert refusal.value.hint
            assert (await fetch(stage.source)).subject == stage.sub

        play(set_stage, story)

    def test_what_is_held_is_told_without_asking(self, set_stage: SetStage) -> None:
        """It is what `subject` says or, before anybody asked, perhaps nothing."""

        async def story(stage: Stage) -> None:
            before = stage.source.held_subject()
            subject = await stage.source.subject()
            assert before in (None, subject)
            await stage.hold()
            # In a thread: what should not wait at all must not make the whole test hang.
            held = asyncio.to_thread(stage.source.held_subject)
            assert await asyncio.wait_for(held, 10) == subject
            await stage.release()

        play(set_stage, story)

    def test_what_is_gone_is_told(self, set_stage: SetStage) -> None:
        """In the words of one error with a hint, time and again; nothing else hides behind it."""

        async def story(stage: Stage) -> None:
            await stage.lose()
            for _ in range(2):
                with pytest.raises(self.absence) as refusal:
                    await fetch(stage.source)
                assert refusal.type is self.absence
                assert refusal.value.message
                assert "\n" not in refusal.value.message
                assert refusal.value.hint

        play(set_stage, story)

    def test_what_is_back_is_used(self, set_stage: SetStage) -> None:
        """Nobody has to make the source anew."""

        async def story(stage: Stage) -> None:
            await stage.lose()
            with pytest.raises(self.absence):
                await fetch(stage.source)
            await stage.find()
            assert (await fetch(stage.source)).subject == stage.sub

        play(set_stage, story)

    def test_whoever_gives_up_spoils_nothing(self, set_stage: SetStage) -> None:
        """A fetch that is cancelled half-way leaves the source as good as new."""

        async def story(stage: Stage) -> None:
            subject = await stage.source.subject()
            await fetch(stage.source)
            await stage.hold()
            given_up = asyncio.create_task(stage.source.fetch_token(subject))
            await stage.arrive()
            given_up.cancel()
            with pytest.raises(asyncio.CancelledError):
                await given_up
            await stage.release()
            assert (await stage.source.fetch_token(subject)).subject == stage.sub

        play(set_stage, story)

    def test_many_may_ask_at_once(self, set_stage: SetStage) -> None:
        """From the very first time, for subject and token alike; each gets its own token."""

        async def story(stage: Stage) -> None:
            tokens = await asyncio.gather(*(fetch(stage.source) for _ in range(TOGETHER)))
            assert {token.subject for token in tokens} == {stage.sub}

        play(set_stage, story)

    def test_no_secret_is_shown(self, set_stage: SetStage) -> None:
        """Not by the source, nor by its tokens, nor by what led to its errors."""

        async def story(stage: Stage) -> None:
            token = await fetch(stage.source)
            shown = f"{stage.source!r} {stage.source} {token!r}"
            shown += await _told(stage.source.fetch_token(STRANGER), WrongIdentity)
            await stage.lose()
            shown += await _told(fetch(stage.source), self.absence)
            for secret in (token.jwt.reveal(), *stage.secrets):
                assert secret not in shown

        play(set_stage, story)


class ChangingSourceContract(TokenSourceContract):
    """For sources whose tokens may be somebody else's from one moment to the next."""

    def test_a_change_of_user_is_no_mix_up(self, set_stage: SetStage) -> None:
        """Whoever asked for the one gets no token of the other, who is told apart at once."""

        async def story(stage: Stage) -> None:
            before, sub = await stage.source.subject(), stage.sub
            await fetch(stage.source)
            await stage.change()
            assert stage.sub != sub
            with pytest.raises(WrongIdentity):
                await stage.source.fetch_token(before)
            after = await stage.source.subject()
            assert after not in (before, None)
            assert stage.source.held_subject() == after
            assert (await stage.source.fetch_token(after)).subject == stage.sub
            with pytest.raises(WrongIdentity):
                await stage.source.fetch_token(before)

        play(set_stage, story)


async def _told(asked: Awaitable[object], kind: type[AgentkeysError]) -> str:
    """All that a log could ever show of the refusal, and of what led to it."""
    with pytest.raises(kind) as refusal:
        await asked
    problem = refusal.value
    return "".join(traceback.format_exception(problem)) + f"{problem!r} {problem.hint}"
