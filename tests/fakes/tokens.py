"""A token source in memory, whose user, delays and failures a test decides."""

from __future__ import annotations

import asyncio
from collections import deque
from datetime import timedelta
from typing import Any

from agentkeys.clock import Clock
from agentkeys.errors import AgentkeysError, LoginRequired, WrongIdentity
from agentkeys.jwts import parse_web_identity_token
from agentkeys.models import WebIdentityToken
from agentkeys.secret import Secret
from tests.support.tokens import ALICE, User, sign, web_identity_claims

__all__ = ["FakeTokenSource"]


class FakeTokenSource:
    """Gives good tokens for `user`, nobody's while that is None; `fetches` were asked for.

    `problems` are raised first, one for each fetch. While `open` is not set, fetches wait.
    """

    def __init__(self, *, clock: Clock, user: User | None = ALICE) -> None:
        self.user = user
        self.fetches = 0
        self.problems: deque[AgentkeysError] = deque()
        self.claims: dict[str, Any] = {}
        """Claims that its tokens have instead."""
        self.lifetime = timedelta(minutes=5)
        self.ahead = timedelta(0)
        """How far the clock of whoever signs them is ahead of ours."""
        self.open = asyncio.Event()
        self.open.set()
        self._clock = clock
        self._arrivals = asyncio.Condition()

    async def fetched(self, times: int = 1) -> None:
        """Returns when that many tokens have been asked for, all in all."""
        async with asyncio.timeout(10), self._arrivals:
            await self._arrivals.wait_for(lambda: self.fetches >= times)

    async def subject(self) -> str:
        if self.user is None:
            raise LoginRequired("nobody is logged in", hint="run: agentkeys login")
        return self.user.subject

    def held_subject(self) -> str | None:
        return self.user.subject if self.user else None

    async def fetch_token(self, subject: str) -> WebIdentityToken:
        self.fetches += 1
        async with self._arrivals:
            self._arrivals.notify_all()
        if await self.subject() != subject:
            raise WrongIdentity("somebody else logged in", hint="try again")
        user = self.user or ALICE
        await self.open.wait()
        if self.problems:
            raise self.problems.popleft()
        now = self._clock.now() + self.ahead
        claims = web_identity_claims(user, at=now, lifetime=self.lifetime) | self.claims
        claims["nonce"] = self.fetches
        return parse_web_identity_token(Secret(sign(claims)), now=now)
