"""Makes the token source of an identity, whatever kind it is of."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from agentkeys.broker import BrokerClient
from agentkeys.clock import Clock
from agentkeys.config import (
    BrokerIdentity,
    Identity,
    SandboxIdentity,
)
from agentkeys.errors import ConfigError
from agentkeys.keeper import Keeper
from agentkeys.login import await_login, start_email_login, take_managed_wallet
from agentkeys.sessions import (
    BrokerSession,
    Session,
    parse_broker_session,
)
from agentkeys.tokens import TokenSource
from agentkeys.tokens.broker import BrokerTokenSource
from agentkeys.tokens.sandbox import SandboxTokenSource
from agentkeys.transport import Transport

__all__ = ["TokenSources"]

LOGIN_SECONDS = 20
"""A made-up user's login takes a tenth of a second; its callers do not wait much longer."""


class TokenSources:
    """Makes token sources."""

    def __init__(
        self,
        *,
        transport: Transport,
        clock: Clock,
        environ: Mapping[str, str],
        logged_in: Callable[[str, Session], None],
    ) -> None:
        """`environ` is where client secrets may be; `logged_in` hears of made-up users' logins."""
        self._transport = transport
        self._clock = clock
        self._environ = environ
        self._logged_in = logged_in

    def make(self, identity: Identity, keeper: Keeper) -> TokenSource:
        """A source for `identity`, whose sessions are with `keeper`."""
        if isinstance(identity, SandboxIdentity):
            return self._sandbox(identity, keeper)
        if isinstance(identity, BrokerIdentity):
            return self._broker(identity, keeper)
        raise ConfigError(f"nothing is known of a source {identity.source!r}")

    def _broker(self, identity: BrokerIdentity, keeper: Keeper) -> BrokerTokenSource:
        broker = BrokerClient(url=identity.url, transport=self._transport)
        sessions = keeper.of(BrokerSession)
        return BrokerTokenSource(broker=broker, sessions=sessions, times=self._transport.times)

    def _sandbox(self, identity: SandboxIdentity, keeper: Keeper) -> SandboxTokenSource:
        return SandboxTokenSource(
            source=self._broker(identity, keeper), log_in=lambda: self._log_in(identity, keeper)
        )

    async def _log_in(self, identity: SandboxIdentity, keeper: Keeper) -> None:
        """A made-up user's whole login: the development broker follows its own link."""
        broker = BrokerClient(url=identity.url, transport=self._transport)
        async with asyncio.timeout(LOGIN_SECONDS):
            pending = await start_email_login(broker, identity.email)
            session = await await_login(broker, pending, clock=self._clock)
            wallet = await take_managed_wallet(broker, broker, session)
        kept = parse_broker_session(wallet, url=broker.url)
        await keeper.keep_session(kept)
        self._logged_in(identity.name, kept)
