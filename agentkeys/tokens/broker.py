"""Web identity tokens from an agentKeys broker, for whoever has logged in there."""

from __future__ import annotations

from typing import Protocol

from agentkeys.broker import BrokerClient
from agentkeys.confinement import check_broker_claims
from agentkeys.errors import LoginRequired, WrongIdentity
from agentkeys.jwts import parse_web_identity_token
from agentkeys.models import WebIdentityToken
from agentkeys.server_times import ServerTimes
from agentkeys.sessions import BrokerSession

__all__ = ["BrokerTokenSource", "SessionHolder"]


class SessionHolder(Protocol):
    """Holds one identity's broker session for as long as it lives."""

    @property
    def held_session(self) -> BrokerSession | None:
        """The session as far as it is in memory."""
        ...

    async def session(self) -> BrokerSession:
        """A session to mint with; raises LoginRequired without a live one, VaultError."""
        ...

    async def last_session(self) -> BrokerSession:
        """The session, over or not; raises LoginRequired where nobody is logged in, VaultError."""
        ...

    def refuse_session(self, session: BrokerSession) -> None:
        """Remembers that the broker no longer takes `session`."""
        ...


class BrokerTokenSource:
    """Trades the held session for tokens, each checked against that very session."""

    def __init__(
        self, *, broker: BrokerClient, sessions: SessionHolder, times: ServerTimes
    ) -> None:
        self._broker = broker
        self._sessions = sessions
        self._times = times

    async def subject(self) -> str:
        # An expired session still says whose leases are held, and those are served to their end.
        return self._of_this_broker(await self._sessions.last_session()).owner

    def held_subject(self) -> str | None:
        session = self._sessions.held_session
        return session.owner if session and session.url == self._broker.url else None

    async def fetch_token(self, subject: str) -> WebIdentityToken:
        await self._learn_the_time()
        session = self._of_this_broker(await self._sessions.session())
        if session.owner != subject:
            # Somebody else logged in between the request and its mint, or between two attempts.
            raise WrongIdentity(
                "somebody else logged in while credentials were minted", hint="try again"
            )
        try:
            jwt = await self._broker.mint_oidc_jwt(session.jwt)
        except LoginRequired:
            self._sessions.refuse_session(session)
            raise
        token = parse_web_identity_token(jwt, now=self._times.now(self._broker.url))
        check_broker_claims(token, wallet=session.wallet, omni=session.omni, issuer=session.issuer)
        return token

    async def _learn_the_time(self) -> None:
        """What is over by our clock alone may be alive by the broker's, which decides."""
        session = self._of_this_broker(await self._sessions.last_session())
        url = self._broker.url
        if self._times.skew(url) is None and session.is_over(self._times.now(url)):
            await self._broker.tell_time()

    def _of_this_broker(self, session: BrokerSession) -> BrokerSession:
        if session.url != self._broker.url:
            raise LoginRequired(
                f"the session kept is for {session.url}, not for {self._broker.url}",
                hint="run: agentkeys login",
            )
        return session
