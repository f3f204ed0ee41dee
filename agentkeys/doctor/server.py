"""Whether whoever gives the tokens answers at all."""

from __future__ import annotations

from agentkeys.config import Identity
from agentkeys.doctor.finding import Finding, failed, from_error, ok, skipped, warning
from agentkeys.doctor.probes import Page
from agentkeys.errors import ConfigError
from agentkeys.transport import TransportError

__all__ = ["examine_server", "health_url", "is_broker"]

_WELL_KNOWN = "/.well-known/openid-configuration"


def is_broker(identity: Identity) -> bool:
    return identity.source in ("broker", "sandbox")


def health_url(identity: Identity) -> str | None:
    """What is asked to see whether the identity's server is there; None where it has none."""
    if identity.url is None:
        return None
    return identity.url.removesuffix("/") + ("/healthz" if is_broker(identity) else _WELL_KNOWN)


def examine_server(identity: Identity, page: Page | None) -> Finding:
    """`page` is what came from `health_url`."""
    what = "broker" if is_broker(identity) else "issuer"
    if page is None:
        return skipped("server", f"the tokens of {identity.name} come from no server that is known")
    if page.problem:
        return _unreached(identity, page.problem, what)
    status = page.status or 0
    facts = {"url": identity.url, "status": status}
    if 300 <= status < 400:
        return failed(
            "server",
            f"{what}_redirects",
            f"the {what} at {identity.url} answers with a redirect (status {status})",
            f"redirects are not followed: set the {what}'s address to where it leads",
            **facts,
        )
    if status >= 500:
        return failed(
            "server",
            f"{what}_broken",
            f"the {what} at {identity.url} answers {status}",
            f"wait a moment; if it stays, ask whoever runs the {what}",
            **facts,
        )
    if status != 200 and is_broker(identity):
        return warning(
            "server",
            "not_a_broker",
            f"what answers at {identity.url} has no /healthz (status {status})",
            "check the identity's url: it may not be a broker's",
            **facts,
        )
    return ok("server", f"the {what} at {identity.url} answers", **facts)


def _unreached(identity: Identity, problem: TransportError | ConfigError, what: str) -> Finding:
    if isinstance(problem, ConfigError):
        return from_error("server", problem, url=identity.url)
    return failed(
        "server",
        f"{what}_unreachable",
        f"the {what} does not answer: {problem.message}",
        problem.hint or f"check the {what}'s address in the configuration",
        url=identity.url,
    )
