"""Web identity tokens for a sandbox's made-up user, who logs in by itself."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from agentkeys.errors import BrokerUnreachable, LoginRequired
from agentkeys.flights import Flights
from agentkeys.models import WebIdentityToken
from agentkeys.tokens.broker import BrokerTokenSource

__all__ = ["SandboxTokenSource"]


class SandboxTokenSource:
    """A broker's source whose login needs no person, so a missing session is not an error."""

    def __init__(self, *, source: BrokerTokenSource, log_in: Callable[[], Awaitable[None]]) -> None:
        self._source = source
        self._log_in_once = log_in
        self._logins: Flights[str, None] = Flights()

    async def subject(self) -> str:
        try:
            return await self._source.subject()
        except LoginRequired:
            await self._log_in()
            return await self._source.subject()

    def held_subject(self) -> str | None:
        return self._source.held_subject()

    async def fetch_token(self, subject: str) -> WebIdentityToken:
        try:
            return await self._source.fetch_token(subject)
        except LoginRequired:
            # The development broker makes new keys at every start, which ends every session.
            await self._log_in()
            return await self._source.fetch_token(subject)

    async def _log_in(self) -> None:
        """Logs in, once however many ask."""
        await asyncio.shield(self._logins.join("login", self._begin))

    async def _begin(self) -> None:
        try:
            await self._log_in_once()
        except TimeoutError:
            raise BrokerUnreachable(
                "the sandbox's broker takes too long to log its user in",
                hint="run: agentkeys sandbox stop, then agentkeys sandbox start",
            ) from None
