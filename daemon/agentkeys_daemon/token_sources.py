"""Makes the token source of an identity, whatever kind it is of."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path

from agentkeys.broker import BrokerClient
from agentkeys.clock import Clock
from agentkeys.config import (
    BrokerIdentity,
    CommandIdentity,
    FileIdentity,
    GithubIdentity,
    Identity,
    OidcIdentity,
    SandboxIdentity,
)
from agentkeys.errors import AgentkeysError
from agentkeys.keeper import Keeper
from agentkeys.login import await_login, start_email_login, take_managed_wallet
from agentkeys.oidc import Issuers, OidcClient
from agentkeys.sessions import (
    BrokerSession,
    GithubSession,
    OidcSession,
    Session,
    TokenFileSession,
    parse_broker_session,
)
from agentkeys.tokens import TokenSource
from agentkeys.tokens.broker import BrokerTokenSource
from agentkeys.tokens.client_credentials import ClientCredentialsTokenSource
from agentkeys.tokens.command import CommandTokenSource
from agentkeys.tokens.file import FileTokenSource, no_token_file
from agentkeys.tokens.github import GithubTokenSource
from agentkeys.tokens.oidc import OidcTokenSource, Refreshes
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
        # By authorities too: what one identity takes an issuer's word for, another may not.
        self._issuers: dict[Path | None, Issuers] = {}
        # One for all: a source that is made anew may hold the session of the one before.
        self._refreshes = Refreshes()

    def make(self, identity: Identity, keeper: Keeper) -> TokenSource:
        """A source for `identity`, whose sessions are with `keeper`."""
        if isinstance(identity, SandboxIdentity):
            return self._sandbox(identity, keeper)
        if isinstance(identity, BrokerIdentity):
            return self._broker(identity, keeper)
        if isinstance(identity, OidcIdentity):
            return self._oidc(identity, keeper)
        if isinstance(identity, FileIdentity):
            return FileTokenSource(path=lambda: _token_file(identity, keeper), clock=self._clock)
        if isinstance(identity, CommandIdentity):
            return CommandTokenSource(
                argv=identity.argv, timeout=identity.timeout, clock=self._clock
            )
        if isinstance(identity, GithubIdentity):
            return GithubTokenSource(
                sessions=keeper.of(GithubSession),
                audience=identity.audience,
                transport=self._transport.trusting(identity.ca_file),
            )
        raise AgentkeysError(f"no token source is made for {identity.source}")

    async def settle(self) -> None:
        """Waits for what must not be lost: logins that are being renewed."""
        await self._refreshes.settle()

    def _broker(self, identity: BrokerIdentity, keeper: Keeper) -> BrokerTokenSource:
        broker = self._broker_client(identity)
        sessions = keeper.of(BrokerSession)
        return BrokerTokenSource(broker=broker, sessions=sessions, times=self._transport.times)

    def _oidc(self, identity: OidcIdentity, keeper: Keeper) -> TokenSource:
        times = self._transport.times
        client = OidcClient(
            settings=identity,
            issuers=self._issuers_for(identity.ca_file),
            transport=self._transport.trusting(identity.ca_file),
            environ=self._environ,
        )
        if identity.is_service:
            return ClientCredentialsTokenSource(identity=identity, client=client, times=times)
        return OidcTokenSource(
            identity=identity,
            client=client,
            sessions=keeper.of(OidcSession),
            times=times,
            refreshes=self._refreshes,
        )

    def _sandbox(self, identity: SandboxIdentity, keeper: Keeper) -> SandboxTokenSource:
        return SandboxTokenSource(
            source=self._broker(identity, keeper), log_in=lambda: self._log_in(identity, keeper)
        )

    async def _log_in(self, identity: SandboxIdentity, keeper: Keeper) -> None:
        """A made-up user's whole login: the development broker follows its own link."""
        broker = self._broker_client(identity)
        async with asyncio.timeout(LOGIN_SECONDS):
            pending = await start_email_login(broker, identity.email)
            session = await await_login(broker, pending, clock=self._clock)
            wallet = await take_managed_wallet(broker, broker, session)
        kept = parse_broker_session(wallet, url=broker.url)
        await keeper.keep_session(kept)
        self._logged_in(identity.name, kept)

    def _broker_client(self, identity: BrokerIdentity) -> BrokerClient:
        transport = self._transport.trusting(identity.ca_file)
        return BrokerClient(url=identity.url, transport=transport)

    def _issuers_for(self, ca_file: Path | None) -> Issuers:
        if ca_file not in self._issuers:
            transport = self._transport.trusting(ca_file)
            self._issuers[ca_file] = Issuers(transport=transport, clock=self._clock)
        return self._issuers[ca_file]


def _token_file(identity: FileIdentity, keeper: Keeper) -> Path:
    """Raises SourceAbsent where neither the configuration nor a client has named one."""
    if identity.path:
        return identity.path
    handed = keeper.of(TokenFileSession).held_session
    if handed is None:
        raise no_token_file(identity.name)
    return handed.path
