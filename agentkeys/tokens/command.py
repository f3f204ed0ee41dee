"""Web identity tokens that a command prints."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from agentkeys.argv import run_argv
from agentkeys.clock import Clock
from agentkeys.errors import TokenError, WrongIdentity
from agentkeys.flights import Flights
from agentkeys.models import WebIdentityToken
from agentkeys.quoting import quotable
from agentkeys.tokens.found import check_alive, owner_of, parse_found_token

__all__ = ["CommandTokenSource"]

WHAT = "the token command"

REUSABLE = timedelta(seconds=60)
"""A token with less than this left is not worth showing to a store."""

STALE_SECONDS = 30.0
"""How long the token that told whom the command names may wait for its use."""

PAUSE_SECONDS = 5.0
"""How long a command that failed is left alone by those who ask whom it names."""


class CommandTokenSource:
    """Runs the command for every token; only what it prints tells whom that names.

    The run that tells it is not wasted: its token is the next one that is fetched.
    """

    def __init__(self, *, argv: Sequence[str], timeout: timedelta, clock: Clock) -> None:
        """`timeout` is how long the command may take."""
        self._argv = tuple(argv)
        self._timeout = timeout
        self._clock = clock
        self._owner: str | None = None
        self._spare: _Spare | None = None
        self._failure: _Failure | None = None
        self._first_runs: Flights[str, str] = Flights()

    async def subject(self) -> str:
        """Whom the latest token names; without one the command runs, once however many ask."""
        if self._owner is not None:
            return self._owner
        if self._failure and self._failure.until > self._clock.monotonic():
            raise self._failure.problem.with_traceback(None)
        return await asyncio.shield(self._first_runs.join("first", self._learn))

    def held_subject(self) -> str | None:
        return self._owner

    async def fetch_token(self, subject: str) -> WebIdentityToken:
        token = self._take_spare() or await self._run()
        self._owner = owner_of(token)
        if self._owner != subject:
            raise WrongIdentity(
                f"{WHAT} gives tokens of somebody else by now: {quotable(token.subject)}",
                hint="try again",
            )
        return token

    async def _learn(self) -> str:
        try:
            token = await self._run()
        except TokenError as problem:
            self._failure = _Failure(problem, until=self._clock.monotonic() + PAUSE_SECONDS)
            raise
        self._spare = _Spare(token, at=self._clock.monotonic())
        self._owner = owner_of(token)
        return self._owner

    async def _run(self) -> WebIdentityToken:
        line = await run_argv(self._argv, timeout=self._timeout.total_seconds(), what=WHAT)
        token = parse_found_token(line, where=f"the output of {quotable(self._argv[0])}")
        check_alive(
            token,
            now=self._clock.now(),
            where=WHAT,
            hint="see why it prints an old one, and whether this machine's clock is right",
        )
        return token

    def _take_spare(self) -> WebIdentityToken | None:
        """The token of the run that told whom it names, once, while it is as good as a new one."""
        spare, self._spare = self._spare, None
        if spare is None or self._clock.monotonic() - spare.at > STALE_SECONDS:
            return None
        return spare.token if spare.token.expires_at - self._clock.now() >= REUSABLE else None


@dataclass(frozen=True, slots=True)
class _Spare:
    token: WebIdentityToken
    at: float
    """When it was printed, on the monotonic clock."""


@dataclass(frozen=True, slots=True)
class _Failure:
    problem: TokenError
    until: float
    """On the monotonic clock."""
