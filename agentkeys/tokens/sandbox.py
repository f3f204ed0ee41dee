"""Web identity tokens for a sandbox's made-up user, who logs in by itself."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from agentkeys.errors import LoginRequired
from agentkeys.models import WebIdentityToken
from agentkeys.tokens.broker import BrokerTokenSource

__all__ = ["SandboxTokenSource"]


class SandboxTokenSource:
    """A broker's source whose login needs no person, so a missing session is not an error."""

    def __init__(self, *, source: BrokerTokenSource, log_in: Callable[[], Awaitable[None]]) -> None:
        self._source = source
        self._log_in = log_in

    async def subject(self) -> str:
        try:
            return await self._source.subject()
        except LoginRequired:
            await self._log_in()
            return await self._source.subject()

    def held_subject(self) -> str | None:
        return self._source.held_subject()

    async def fetch_token(self) -> WebIdentityToken:
        try:
            return await self._source.fetch_token()
        except LoginRequired:
            # The development broker makes new keys at every start, which ends every session.
            await self._log_in()
            return await self._source.fetch_token()
