"""Web identity tokens from an OpenID Connect issuer, for a service that is itself the client."""

from __future__ import annotations

from agentkeys.config import OidcIdentity
from agentkeys.errors import WrongIdentity
from agentkeys.models import WebIdentityToken
from agentkeys.oidc import OidcClient, chosen_token
from agentkeys.server_times import ServerTimes

__all__ = ["ClientCredentialsTokenSource"]


class ClientCredentialsTokenSource:
    """Has the client's secret or key give tokens; nobody logs in, and nothing is kept."""

    def __init__(self, *, identity: OidcIdentity, client: OidcClient, times: ServerTimes) -> None:
        self._identity = identity
        self._client = client
        self._times = times

    async def subject(self) -> str:
        return self.held_subject()

    def held_subject(self) -> str:
        return f"{self._identity.issuer} client {self._identity.client_id}"

    async def fetch_token(self, subject: str) -> WebIdentityToken:
        if subject != self.held_subject():
            raise WrongIdentity(f"{self._identity.name} is another service now", hint="try again")
        tokens = await self._client.client_credentials()
        now = self._times.now(self._identity.issuer)
        return chosen_token(tokens, self._identity.token, issuer=self._identity.issuer, now=now)
