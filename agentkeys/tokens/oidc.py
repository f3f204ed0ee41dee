"""Web identity tokens from an OpenID Connect issuer, for whoever has logged in there."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from datetime import datetime

from agentkeys.config import OidcIdentity
from agentkeys.errors import LoginRequired, TokenError, WrongIdentity
from agentkeys.flights import Flights
from agentkeys.jwts import parse_web_identity_token
from agentkeys.models import WebIdentityToken
from agentkeys.oidc import OAuthRefusal, OidcClient, OidcTokens, chosen_token
from agentkeys.secret import Secret
from agentkeys.server_times import ServerTimes
from agentkeys.sessions import OidcSession
from agentkeys.tokens import SessionHolder

__all__ = ["OidcTokenSource", "Refreshes"]


LOGIN_ENDED = ("invalid_grant", "interaction_required", "login_required", "consent_required")
"""What issuers say of a refresh token that is used up, revoked or expired, or that is not enough
any more (OpenID Connect Core, section 3.1.2.6)."""


SETTLE_SECONDS = 15.0


class Refreshes:
    """The refreshes under way, of all identities: no refresh token is ever used twice.

    Issuers that rotate refresh tokens take the second use for a theft, and end the whole login. A
    refresh therefore goes on to its end, whoever gives up waiting for it.
    """

    def __init__(self) -> None:
        self._flights: Flights[Secret, OidcTokens] = Flights()

    async def join(self, token: Secret, work: Callable[[], Awaitable[OidcTokens]]) -> OidcTokens:
        """What `work`, or the refresh that uses `token` already, gives."""
        return await asyncio.shield(self._flights.join(token, work))

    async def settle(self) -> None:
        """Waits for those under way, whose new refresh tokens would be lost otherwise.

        Not for ever: whoever ends the daemon waits too.
        """
        if tasks := [task for _, task in self._flights.items()]:
            await asyncio.wait(tasks, timeout=SETTLE_SECONDS)


class OidcTokenSource:
    """Has the login's refresh token give tokens, each checked to be of whoever logged in.

    Where the issuer gave no refresh token, the login's own token is given until it expires.
    """

    def __init__(
        self,
        *,
        identity: OidcIdentity,
        client: OidcClient,
        sessions: SessionHolder[OidcSession],
        times: ServerTimes,
        refreshes: Refreshes,
    ) -> None:
        """`refreshes` is one for all sources that may ever hold the same session."""
        self._identity = identity
        self._client = client
        self._sessions = sessions
        self._times = times
        self._refreshes = refreshes

    async def subject(self) -> str:
        # A login that is over still says whose leases are held, and those are served to their end.
        return self._of_this_client(await self._sessions.last_session()).owner

    def held_subject(self) -> str | None:
        session = self._sessions.held_session
        return session.owner if session and self._is_of_this_client(session) else None

    async def fetch_token(self, subject: str) -> WebIdentityToken:
        await self._learn_the_time()
        session = self._of_this_client(await self._sessions.session())
        if session.owner != subject:
            raise _somebody_else()
        token = session.refresh_token
        if token is None:
            return self._held_token(session)
        tokens = await self._refreshes.join(token, lambda: self._refresh(session, token))
        return self._checked(tokens, session)

    async def _refresh(self, session: OidcSession, token: Secret) -> OidcTokens:
        """Fresh tokens, given to nobody before the refresh token that came with them is kept."""
        try:
            tokens = await self._client.refresh(token)
        except OAuthRefusal as refusal:
            if refusal.error not in LOGIN_ENDED:
                raise
            self._sessions.refuse_session(session)
            raise self._login_required(
                f"the issuer no longer accepts {self._identity.name}'s login", refusal
            ) from refusal
        current = self._sessions.held_session
        if current is None:
            raise self._login_required(f"{self._identity.name} was logged out meanwhile")
        if current.owner != session.owner:
            raise _somebody_else()
        if current is session:
            # Else the same person logged in meanwhile, and what they got then stays.
            await self._sessions.keep_session(self._renewed(session, tokens))
        return tokens

    def _renewed(self, session: OidcSession, tokens: OidcTokens) -> OidcSession:
        ends = session.expires_at
        if tokens.refresh_token:
            lifetime = tokens.refresh_expires_in
            ends = self._now() + lifetime if lifetime else None
        return replace(
            session,
            # An issuer that sends none goes on taking the old one.
            refresh_token=tokens.refresh_token or session.refresh_token,
            token=None,
            expires_at=ends,
        )

    def _checked(self, tokens: OidcTokens, session: OidcSession) -> WebIdentityToken:
        token = chosen_token(tokens, self._identity.token, issuer=session.issuer, now=self._now())
        if token.subject != session.sub:
            raise WrongIdentity(
                f"the issuer {session.issuer} gave a token of somebody else than who logged in",
                hint=f"run: agentkeys login {self._identity.name}",
            )
        return token

    def _held_token(self, session: OidcSession) -> WebIdentityToken:
        if session.token is None or session.is_over(self._now()):
            raise self._login_required(
                f"the token of {self._identity.name} has expired, and the issuer gave no refresh "
                "token"
            )
        token = parse_web_identity_token(session.token, now=self._now())
        if (token.issuer, token.subject) != (session.issuer, session.sub):
            raise self._login_required(f"the token of {self._identity.name} is not of its login")
        return token

    async def _learn_the_time(self) -> None:
        """What is over by our clock alone may be alive by the issuer's, which decides."""
        session = self._of_this_client(await self._sessions.last_session())
        if self._times.skew(session.url) is None and session.is_over(self._now()):
            with suppress(TokenError):
                await self._client.issuer()

    def _of_this_client(self, session: OidcSession) -> OidcSession:
        if not self._is_of_this_client(session):
            raise self._login_required(
                f"the login kept is of {session.client_id!r} at {session.issuer}, "
                f"not of {self._identity.client_id!r} at {self._identity.issuer}"
            )
        return session

    def _is_of_this_client(self, session: OidcSession) -> bool:
        kept = session.issuer, session.client_id
        return kept == (self._identity.issuer, self._identity.client_id)

    def _now(self) -> datetime:
        return self._times.now(self._identity.issuer)

    def _login_required(self, message: str, why: OAuthRefusal | None = None) -> LoginRequired:
        words = f" ({why.error})" if why else ""
        return LoginRequired(message + words, hint=f"run: agentkeys login {self._identity.name}")


def _somebody_else() -> WrongIdentity:
    return WrongIdentity("somebody else logged in while credentials were minted", hint="try again")
