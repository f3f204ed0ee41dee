"""From an identity to its session, whichever way the person goes."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from agentkeys.clock import Clock, Sleep
from agentkeys.config import OidcIdentity
from agentkeys.errors import LoginFailed
from agentkeys.login.oidc.browser import log_in_by_browser
from agentkeys.login.oidc.device import log_in_by_device
from agentkeys.login.oidc.person import Person
from agentkeys.oidc import Issuer, OidcClient, OidcTokens, chosen_token
from agentkeys.sessions import OidcSession

__all__ = ["log_in"]

PATIENCE = timedelta(seconds=300)
"""The longest wait for a person, on our own clock."""
OPTIONAL_SCOPES = ("profile", "offline_access")
"""Asked for where the issuer lists them: the user's name, which MinIO's policies go by, and a
refresh token."""


async def log_in(
    client: OidcClient,
    identity: OidcIdentity,
    *,
    person: Person,
    clock: Clock,
    has_browser: bool,
    patience: timedelta = PATIENCE,
    sleep: Sleep = asyncio.sleep,
) -> OidcSession:
    """The session of whoever logs in, their ID token verified.

    Raises LoginFailed, IssuerInvalid, IssuerRefused, IssuerUnreachable, SourceFailed, TokenInvalid,
    WrongIdentity, ConfigError.
    """
    if identity.is_service:
        raise LoginFailed(
            f"nobody logs in as {identity.name}: it is a service",
            hint="use it as it is, or set another flow",
        )
    issuer = await client.issuer()
    scopes = _scopes(identity, issuer)
    if _takes_browser(identity, issuer, has_browser=has_browser):
        tokens = await log_in_by_browser(
            client, scopes, person=person, port=identity.redirect_port, patience=patience
        )
    else:
        tokens = await log_in_by_device(
            client, scopes, person=person, clock=clock, patience=patience, sleep=sleep
        )
    return _session(client, identity, tokens)


def _scopes(identity: OidcIdentity, issuer: Issuer) -> tuple[str, ...]:
    if identity.scopes is None:
        return ("openid", *(scope for scope in OPTIONAL_SCOPES if scope in issuer.scopes))
    if "openid" not in identity.scopes:
        raise LoginFailed(
            f"the scopes of {identity.name} lack the one that says who logs in",
            hint='add "openid" to scopes',
        )
    return identity.scopes


def _takes_browser(identity: OidcIdentity, issuer: Issuer, *, has_browser: bool) -> bool:
    if identity.flow != "auto":
        return identity.flow == "browser"
    # With no browser here and no other way, the address may still be opened by hand.
    has_page = issuer.authorization_endpoint is not None
    return has_page and (has_browser or issuer.device_endpoint is None)


def _session(client: OidcClient, identity: OidcIdentity, tokens: OidcTokens) -> OidcSession:
    now = client.now()
    token = chosen_token(tokens, identity.token, issuer=identity.issuer, now=now)
    lifetime = tokens.refresh_expires_in
    ends = now + lifetime if lifetime else None
    return OidcSession(
        issuer=identity.issuer,
        client_id=identity.client_id,
        sub=token.subject,
        refresh_token=tokens.refresh_token,
        token=None if tokens.refresh_token else token.jwt,
        expires_at=ends if tokens.refresh_token else token.expires_at,
    )
