"""What the issuer says of itself, which the store compares byte for byte."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from agentkeys.config import Identity
from agentkeys.doctor.finding import Finding, failed, ok, warning
from agentkeys.doctor.probes import Page
from agentkeys.doctor.server import is_broker
from agentkeys.loopback import loopback_addresses
from agentkeys.models import WebIdentityToken
from agentkeys.quoting import quotable
from agentkeys.stores import StoreKind

__all__ = ["discovery_url", "examine_discovery", "jwks_uri"]

WELL_KNOWN = "/.well-known/openid-configuration"


def discovery_url(issuer: str) -> str:
    return issuer.removesuffix("/") + WELL_KNOWN


def jwks_uri(page: Page) -> str | None:
    """Where the document says that the keys are."""
    found = (page.json_object() or {}).get("jwks_uri")
    return found if isinstance(found, str) and found.isascii() and found.isprintable() else None


def examine_discovery(
    page: Page, *, identity: Identity, token: WebIdentityToken | None, store: StoreKind
) -> Finding:
    """The issuer named there against the one in the token, or else in the configuration."""
    broken = _unusable(page, identity)
    if broken:
        return broken
    document = page.json_object() or {}
    named = document.get("issuer")
    shown = quotable(named) or "nobody"
    facts = {"url": page.url, "issuer": shown, "jwks_uri": jwks_uri(page)}
    # A broker may be reached at another address than the one that it signs as.
    expected = token.issuer if token else None if is_broker(identity) else identity.url
    if expected is not None and named != expected:
        whose = "the token's issuer" if token else "the configured issuer"
        return failed(
            "discovery",
            "issuer_mismatch",
            f"{whose} is {expected!r}, and its discovery document names {shown!r}",
            "have the issuer name itself the same in both, closing slash and scheme included:"
            f" {store.title} compares them byte for byte",
            **facts,
            expected=expected,
        )
    if jwks_uri(page) is None:
        return failed(
            "discovery",
            "jwks_uri_missing",
            "the discovery document says nowhere where the issuer's keys are",
            "have the issuer add jwks_uri; no store can check a token without it",
            **facts,
        )
    if not store.needs_endpoint and not _is_public(str(named)):
        return failed(
            "discovery",
            "issuer_not_public",
            f"the issuer {shown} cannot be reached from {store.title}",
            f"{store.title} fetches keys over the public internet by https: use an issuer there",
            **facts,
        )
    return ok("discovery", f"the issuer names itself {shown}, as its tokens do", **facts)


def _unusable(page: Page, identity: Identity) -> Finding | None:
    if page.problem:
        # The store has to reach it, and it may from where it is.
        how = failed if identity.url else warning
        return how(
            "discovery",
            "discovery_unreachable",
            f"the issuer's discovery document cannot be had from here: {page.problem.message}",
            page.problem.hint or "see that the store can reach it",
            url=page.url,
        )
    if page.status != 200:
        return failed(
            "discovery",
            "discovery_missing",
            f"there is no discovery document at {page.url} (status {page.status})",
            f"the issuer must serve it at <issuer>{WELL_KNOWN}",
            url=page.url,
            status=page.status,
        )
    if page.json_object() is None:
        return failed(
            "discovery",
            "discovery_malformed",
            f"what is at {page.url} is no JSON object",
            "see whether a proxy's sign-in page is in the way, or the issuer's address is wrong",
            url=page.url,
        )
    return None


def _is_public(issuer: str) -> bool:
    """As far as its address tells."""
    parts = urlsplit(issuer)
    host = parts.hostname or ""
    if parts.scheme != "https" or loopback_addresses(host) or "." not in host:
        return False
    try:
        return ipaddress.ip_address(host).is_global
    except ValueError:
        return True
