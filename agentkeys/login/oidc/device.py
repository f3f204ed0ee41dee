"""Logs a person in on whatever device they have a browser on (RFC 8628)."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from datetime import timedelta

from agentkeys.clock import Clock, Sleep
from agentkeys.errors import IssuerUnreachable, LoginFailed
from agentkeys.login.oidc.person import DevicePrompt, Person
from agentkeys.oidc import DeviceCode, OAuthRefusal, OidcClient, OidcTokens

__all__ = ["log_in_by_device"]

SLOWER = 5.0
SLOWEST = 60.0


async def log_in_by_device(
    client: OidcClient,
    scopes: Collection[str],
    *,
    person: Person,
    clock: Clock,
    patience: timedelta,
    sleep: Sleep = asyncio.sleep,
) -> OidcTokens:
    """The tokens of whoever logged in, the ID token verified.

    Ends with the code's life, or with `patience`, on our own clock. Raises LoginFailed, and
    whatever `client` raises.
    """
    device = await client.start_device(scopes)
    deadline = clock.monotonic() + min(device.lifetime, patience).total_seconds()
    person.enter_code(
        DevicePrompt(
            device.verification_uri,
            device.user_code,
            device.complete_uri,
            min(device.lifetime, patience),
        )
    )
    interval = device.interval
    while clock.monotonic() + interval < deadline:
        await sleep(interval)
        tokens, interval = await _poll(client, device, interval)
        if tokens is not None:
            # Such a login has no nonce: the device code binds its tokens to us.
            await client.verify_id_token(tokens, nonce=None)
            return tokens
    raise LoginFailed(
        "nobody finished the login in time", hint=f"run: agentkeys login {client.settings.name}"
    )


async def _poll(
    client: OidcClient, device: DeviceCode, interval: float
) -> tuple[OidcTokens | None, float]:
    """The tokens if there are any, and the seconds to wait before the next poll."""
    try:
        return await client.poll_device(device), interval
    except IssuerUnreachable:
        return None, min(interval * 2, SLOWEST)
    except OAuthRefusal as refusal:
        if refusal.error == "authorization_pending":
            return None, interval
        if refusal.error == "slow_down":
            return None, min(interval + SLOWER, SLOWEST)
        raise _failure(refusal, client.settings.name) from refusal


def _failure(refusal: OAuthRefusal, name: str) -> LoginFailed | OAuthRefusal:
    if refusal.error == "access_denied":
        return LoginFailed(
            "the login was denied on the other device",
            hint=f"run: agentkeys login {name}, and agree to what the issuer asks",
        )
    if refusal.error == "expired_token":
        return LoginFailed("the code has expired", hint=f"run: agentkeys login {name}")
    return refusal
