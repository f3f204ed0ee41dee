"""What an issuer says of itself (OpenID Connect Discovery 1.0)."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from agentkeys.clock import Clock
from agentkeys.errors import ConfigError, IssuerInvalid
from agentkeys.flights import Flights
from agentkeys.oidc.asking import json_object, send
from agentkeys.quoting import quotable
from agentkeys.transport import Transport
from agentkeys.transport.outgoing import Destination

__all__ = ["Issuer", "Issuers", "fetch_issuer"]

WELL_KNOWN = "/.well-known/openid-configuration"
LIFETIME = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Issuer:
    """An issuer's endpoints, each https or on this machine, and what it lists as supported."""

    url: str
    """As it names itself."""
    token_endpoint: str
    authorization_endpoint: str | None
    device_endpoint: str | None
    jwks_uri: str | None
    scopes: frozenset[str]
    auth_methods: frozenset[str]
    auth_algorithms: frozenset[str]
    """For client assertions; empty when it does not say."""
    id_token_algorithms: frozenset[str]
    names_itself: bool
    """Whether its redirects carry `iss` (RFC 9207)."""


async def fetch_issuer(transport: Transport, url: str) -> Issuer:
    """Raises IssuerInvalid, IssuerRefused, IssuerUnreachable, ConfigError for an unusable `url`."""
    answer = await send(transport, "GET", url.removesuffix("/") + WELL_KNOWN, issuer=url)
    if answer.status != 200:
        raise IssuerInvalid(
            f"there is no OpenID Connect issuer at {url} (status {answer.status})",
            hint=f"check issuer: its description must be at <issuer>{WELL_KNOWN}",
        )
    return _parse(json_object(answer, issuer=url, what="its description"), url)


class Issuers:
    """The descriptions of issuers, each fetched once in a while, however many ask for it."""

    def __init__(
        self, *, transport: Transport, clock: Clock, lifetime: timedelta = LIFETIME
    ) -> None:
        self._transport = transport
        self._clock = clock
        self._lifetime = lifetime
        self._known: dict[str, tuple[Issuer, float]] = {}
        self._fetches: Flights[str, Issuer] = Flights()

    async def get(self, url: str) -> Issuer:
        """Raises as `fetch_issuer` does; a failure is not remembered."""
        known = self._known.get(url)
        if known and self._clock.monotonic() < known[1]:
            return known[0]
        return await asyncio.shield(self._fetches.join(url, lambda: self._fetch(url)))

    async def _fetch(self, url: str) -> Issuer:
        issuer = await fetch_issuer(self._transport, url)
        self._known[url] = issuer, self._clock.monotonic() + self._lifetime.total_seconds()
        return issuer


def _parse(document: Mapping[str, Any], url: str) -> Issuer:
    named = document.get("issuer")
    if named != url:
        shown = repr(quotable(named)) if isinstance(named, str) else "nobody"
        raise IssuerInvalid(
            f"the issuer configured as {url!r} names itself {shown}",
            hint="set issuer to exactly what the issuer calls itself, closing slash included",
        )
    token_endpoint = _endpoint(document, "token_endpoint", url)
    if token_endpoint is None:
        raise IssuerInvalid(
            f"the issuer {url} offers no token endpoint", hint="check that issuer is right"
        )
    return Issuer(
        url=url,
        token_endpoint=token_endpoint,
        authorization_endpoint=_endpoint(document, "authorization_endpoint", url),
        device_endpoint=_endpoint(document, "device_authorization_endpoint", url),
        jwks_uri=_endpoint(document, "jwks_uri", url),
        scopes=_names(document, "scopes_supported"),
        auth_methods=_names(document, "token_endpoint_auth_methods_supported"),
        auth_algorithms=_names(document, "token_endpoint_auth_signing_alg_values_supported"),
        id_token_algorithms=_names(document, "id_token_signing_alg_values_supported"),
        names_itself=document.get("authorization_response_iss_parameter_supported") is True,
    )


def _endpoint(document: Mapping[str, Any], name: str, url: str) -> str | None:
    value = document.get(name)
    if value is None:
        return None
    if not isinstance(value, str) or not _is_usable(value):
        raise IssuerInvalid(
            f"the issuer {url} names a {name} that is no https:// address",
            hint="ask whoever runs the issuer; http:// is for addresses of this machine only",
        )
    return value


def _is_usable(url: str) -> bool:
    if not (url.isascii() and url.isprintable()):
        return False
    try:
        Destination.parse(url)
    except ConfigError:
        return False
    return True


def _names(document: Mapping[str, Any], name: str) -> frozenset[str]:
    value = document.get(name)
    listed = value if isinstance(value, list) else []
    return frozenset(entry for entry in listed if isinstance(entry, str))
