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

__all__ = ["discovery_url", "examine_discovery", "jwks_uri", "leads_inward"]

WELL_KNOWN = "/.well-known/openid-configuration"
LONGEST = 2000
"""Characters of an address."""


def discovery_url(issuer: str) -> str:
    return issuer.removesuffix("/") + WELL_KNOWN


def jwks_uri(page: Page) -> str | None:
    """Where the document says that the keys are."""
    found = (page.json_object() or {}).get("jwks_uri")
    if not isinstance(found, str) or len(found) > LONGEST:
        return None
    return found if found.isascii() and found.isprintable() else None


def leads_inward(page: Page, uri: str) -> bool:
    """Whether an issuer out there says that its keys are in here.

    Nobody else has to see that this machine, or its cloud's metadata service, is asked for things.
    """
    return _is_inside(uri) and (_is_link_local(uri) or not _is_inside(page.url))


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
    uri = jwks_uri(page)
    facts = {"url": page.url, "issuer": shown, "jwks_uri": quotable(uri) or None}
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
    if uri is None:
        return failed(
            "discovery",
            "jwks_uri_missing",
            "the discovery document says nowhere where the issuer's keys are",
            "have the issuer add jwks_uri; no store can check a token without it",
            **facts,
        )
    if leads_inward(page, uri):
        return failed(
            "discovery",
            "jwks_uri_inward",
            f"the issuer's keys are to be at {quotable(uri)}, which is in this machine's own"
            " network: they were not fetched",
            "ask whoever runs the issuer to correct jwks_uri; do not trust it before",
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
    words = ", as its tokens do" if token else ""
    return ok("discovery", f"the issuer names itself {shown}{words}", **facts)


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
    return parts.scheme == "https" and "." in (parts.hostname or "") and not _is_inside(issuer)


def _is_inside(url: str) -> bool:
    """Whether its address can only be this machine's or its own network's; a name may be any."""
    address = _address(url)
    return address is not None and not address.is_global


def _is_link_local(url: str) -> bool:
    address = _address(url)
    return address is not None and address.is_link_local


def _address(url: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """None where only names are known."""
    try:
        host = urlsplit(url).hostname or ""
        address = ipaddress.ip_address((*loopback_addresses(host), host)[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
