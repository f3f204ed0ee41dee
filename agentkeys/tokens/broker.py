"""Web identity tokens from an agentKeys broker, for whoever has logged in there.

A person's session ends after some hours, and then only they can log in again. A paired device has
a proof of itself beside its session, and gets a new one with that.
"""

from __future__ import annotations

import asyncio

from agentkeys.broker import BrokerClient
from agentkeys.broker_features import WANTED
from agentkeys.claims import AWS_TAGS_CLAIM
from agentkeys.confinement import check_broker_claims
from agentkeys.errors import BrokerUnreachable, LoginRequired, TokenUnconfined, WrongIdentity
from agentkeys.flights import Flights
from agentkeys.jwts import parse_web_identity_token
from agentkeys.models import WebIdentityToken
from agentkeys.secret import Secret
from agentkeys.server_times import ServerTimes
from agentkeys.sessions import BrokerSession, DeviceProof, parse_broker_session
from agentkeys.tokens import SessionHolder

__all__ = ["BrokerTokenSource"]

AGENT = "agent_hdkd"
"""The identity type of sessions that paired devices have."""


class BrokerTokenSource:
    """Trades the held session for tokens, each checked against that very session."""

    def __init__(
        self, *, broker: BrokerClient, sessions: SessionHolder[BrokerSession], times: ServerTimes
    ) -> None:
        self._broker = broker
        self._sessions = sessions
        self._times = times
        self._renewals: Flights[str, BrokerSession] = Flights()

    async def subject(self) -> str:
        # An expired session still says whose leases are held, and those are served to their end.
        return self._of_this_broker(await self._sessions.last_session()).owner

    def held_subject(self) -> str | None:
        session = self._sessions.held_session
        return session.owner if session and session.url == self._broker.url else None

    async def fetch_token(self, subject: str) -> WebIdentityToken:
        await self._learn_the_time()
        session = await self._live_session(subject)
        try:
            jwt = await self._mint(session)
        except LoginRequired as refusal:
            session = await self._renewed(session, refusal)
            jwt = await self._mint(session)
        token = parse_web_identity_token(jwt, now=self._times.now(self._broker.url))
        await self._check(token, session)
        return token

    async def _mint(self, session: BrokerSession) -> Secret:
        try:
            return await self._broker.mint_oidc_jwt(
                session.jwt, is_agent=session.identity_type == AGENT
            )
        except LoginRequired:
            self._sessions.refuse_session(session)
            raise

    async def _check(self, token: WebIdentityToken, session: BrokerSession) -> None:
        try:
            check_broker_claims(
                token, wallet=session.wallet, omni=session.omni, issuer=session.issuer
            )
        except TokenUnconfined as problem:
            has_tags = AWS_TAGS_CLAIM in token.claims
            features = None if has_tags else await self._broker.fetch_features()
            if features is None or features.has_tags:
                raise
            raise TokenUnconfined(
                f"{problem.message}; the broker is {features.generation}", hint=WANTED
            ) from problem

    async def _learn_the_time(self) -> None:
        """What is over by our clock alone may be alive by the broker's, which decides."""
        session = self._of_this_broker(await self._sessions.last_session())
        url = self._broker.url
        if self._times.skew(url) is None and session.is_over(self._times.now(url)):
            await self._broker.tell_time()

    async def _live_session(self, subject: str) -> BrokerSession:
        last = self._of_this_broker(await self._sessions.last_session())
        if last.owner != subject:
            # Somebody else logged in between the request and its mint, or between two attempts.
            raise _somebody_else()
        try:
            session = self._of_this_broker(await self._sessions.session())
        except LoginRequired as over:
            session = await self._renewed(last, over)
        if session.owner != subject:
            raise _somebody_else()
        return session

    async def _renewed(self, over: BrokerSession, reason: LoginRequired) -> BrokerSession:
        """A session after `over`, had once however many ask; `reason` is raised if none can be."""
        device = over.device
        if device is None:
            raise reason
        return await asyncio.shield(
            self._renewals.join(over.fingerprint, lambda: self._renew(over, device))
        )

    async def _renew(self, over: BrokerSession, device: DeviceProof) -> BrokerSession:
        if self._sessions.held_session is over:
            session = await self._resolve(device)
            if session.owner != over.owner:
                raise WrongIdentity(
                    "the broker gave this device a session of another agent than before",
                    hint="its owner has claimed it anew; run: agentkeys login --pair",
                )
            if self._sessions.held_session is over:
                await self._sessions.keep_session(session)
                return session
        # Another login or a logout was faster, and it counts.
        session = self._of_this_broker(await self._sessions.session())
        if session.owner != over.owner:
            raise _somebody_else()
        return session

    async def _resolve(self, device: DeviceProof) -> BrokerSession:
        jwt = await self._broker.resolve_device(device)
        if jwt is None:
            raise LoginRequired(
                "the session is over, and this broker gives devices no new one",
                hint="run: agentkeys login --pair",
            )
        session = parse_broker_session(jwt, url=self._broker.url, device=device)
        if session.is_over(self._times.now(self._broker.url)):
            raise BrokerUnreachable(
                "the broker gave this device a session that is over already",
                hint="check the broker's clock",
            )
        return session

    def _of_this_broker(self, session: BrokerSession) -> BrokerSession:
        if session.url != self._broker.url:
            raise LoginRequired(
                f"the session kept is for {session.url}, not for {self._broker.url}",
                hint="run: agentkeys login",
            )
        return session


def _somebody_else() -> WrongIdentity:
    return WrongIdentity("somebody else logged in while credentials were minted", hint="try again")
