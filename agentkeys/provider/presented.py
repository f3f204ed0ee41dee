"""A token that some caller has presented: unverified, until a store has taken it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from agentkeys.claims import OMNI_CLAIM, WALLET_CLAIM
from agentkeys.config import BrokerIdentity, OidcIdentity, Profile
from agentkeys.confinement import check_broker_claims
from agentkeys.errors import StsTokenRefused, TokenUnconfined
from agentkeys.jwts import parse_web_identity_token
from agentkeys.leases import Exchange
from agentkeys.leases.minting import plain_claims
from agentkeys.models import AssumedRole, WebIdentityToken
from agentkeys.prefix import render_prefix
from agentkeys.secret import Secret
from agentkeys.sts.refusals import Audiences
from agentkeys.sts.request import AssumeRoleRequest

__all__ = ["PresentedToken"]


class PresentedToken:
    """A token source that has this one token, and the way to the store that it takes.

    There is no other token where this one is refused, so that it is not shown a second time.
    """

    def __init__(
        self, jwt: Secret, *, profile: Profile, exchange: Exchange, now: Callable[[], datetime]
    ) -> None:
        self._jwt = jwt
        self._profile = profile
        self._exchange = exchange
        self._now = now
        self._refusal: StsTokenRefused | None = None
        self.expires_at = datetime.min.replace(tzinfo=UTC)
        """The token's end; long ago until it has been read."""

    async def subject(self) -> str:
        """Nobody's: what it says of itself is not known to be true."""
        return ""

    def held_subject(self) -> str | None:
        return None

    async def fetch_token(self, subject: str) -> WebIdentityToken:
        """Raises StsTokenRefused once a store has refused it, TokenInvalid, TokenUnconfined."""
        if self._refusal is not None:
            raise self._refusal
        token = parse_web_identity_token(self._jwt, now=self._now())
        self._check_issuer(token)
        if self._profile.prefix:
            # Whoever has no place of their own gets nothing, and the store is not asked.
            render_prefix(self._profile.prefix, plain_claims(token.claims))
        self.expires_at = token.expires_at
        return token

    async def assume_role_with_web_identity(
        self, request: AssumeRoleRequest, *, audiences: Audiences | None = None
    ) -> AssumedRole:
        try:
            return await self._exchange.assume_role_with_web_identity(request, audiences=audiences)
        except StsTokenRefused as refusal:
            self._refusal = refusal
            raise

    def _check_issuer(self, token: WebIdentityToken) -> None:
        """What the source of such tokens would have checked; whether it is true, the store says."""
        identity = self._profile.identity
        if isinstance(identity, OidcIdentity) and token.issuer != identity.issuer:
            raise TokenUnconfined(
                f"the token's issuer is {token.issuer[:200]!r}, that of {identity.name} is"
                f" {identity.issuer!r}",
                hint="use the profile whose identity has that issuer",
            )
        if isinstance(identity, BrokerIdentity):
            wallet = _text(token, WALLET_CLAIM)
            check_broker_claims(
                token,
                wallet=wallet,
                omni=_text(token, OMNI_CLAIM) or wallet or "",
                issuer=token.issuer,
            )


def _text(token: WebIdentityToken, claim: str) -> str | None:
    value = token.claims.get(claim)
    return value if isinstance(value, str) else None
