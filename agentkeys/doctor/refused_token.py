"""What is wrong with a token, whatever role it is shown for."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from agentkeys.doctor.finding import Finding
from agentkeys.doctor.refusal import Refusal, as_said

__all__ = ["OF_THE_TOKEN"]


async def wrong_audience(refusal: Refusal) -> Finding:
    token = refusal.known.token
    return refusal.found(
        "wrong_audience",
        f"{refusal.title} knows the issuer, and takes no tokens for {refusal.audiences}",
        f"add {' or '.join(token.audiences)} to the clients of the provider entry for"
        f" {token.issuer}, or have the issuer make tokens for one that is there{refusal.said()}",
    )


async def unknown_provider(refusal: Refusal) -> Finding:
    issuer = refusal.known.token.issuer
    return refusal.found(
        "unknown_provider",
        f"{refusal.title} knows no identity provider {issuer}",
        f"register {issuer} there, spelt exactly so, closing slash or none included;"
        f" {refusal.explain()}",
    )


async def keys_unreachable(refusal: Refusal) -> Finding:
    here = ", though they can be had from here" if refusal.known.is_ok("keys") else ""
    return refusal.found(
        "store_lacks_keys",
        f"{refusal.title} cannot fetch the issuer's keys{here}",
        f"see that {refusal.title} reaches the issuer from where it runs, and that its provider"
        f" entry names the right key set{refusal.said()}",
    )


async def key_unknown(refusal: Refusal) -> Finding:
    if not refusal.known.is_ok("keys"):
        return await as_said(refusal)
    return refusal.found(
        "store_reads_other_keys",
        f"the token's key {refusal.known.token.key_id!r} is published, and {refusal.title} does not"
        " find it",
        "see where its provider entry fetches keys from; if that is right, wait until what it"
        f" has cached is over{refusal.said()}",
    )


async def token_invalid(refusal: Refusal) -> Finding:
    if not refusal.known.is_ok("keys"):
        return await as_said(refusal)
    return refusal.found(
        "store_refuses_signature",
        f"the token's signature is good by the published keys, and {refusal.title} refuses it",
        f"see where its provider entry fetches keys from, and which algorithms it takes"
        f" ({refusal.known.token.algorithm} here){refusal.said()}",
    )


async def token_expired(refusal: Refusal) -> Finding:
    return refusal.found(
        "token_expired_there",
        f"a token of this moment has expired by the clock of {refusal.title}",
        f"have the clocks of {refusal.title} and of the issuer set: see the clock above",
    )


async def not_yet_valid(refusal: Refusal) -> Finding:
    return refusal.found(
        "token_of_the_future",
        f"a token of this moment is of the future by the clock of {refusal.title}",
        f"have the clocks of {refusal.title} and of the issuer set: see the clock above",
    )


OF_THE_TOKEN: dict[str, Callable[[Refusal], Awaitable[Finding]]] = {
    "wrong_audience": wrong_audience,
    "unknown_provider": unknown_provider,
    "keys_unreachable": keys_unreachable,
    "key_unknown": key_unknown,
    "token_invalid": token_invalid,
    "token_expired": token_expired,
    "not_yet_valid": not_yet_valid,
}
"""By what the store means."""
