"""The one promise: a token that would not confine its user never becomes credentials.

Everything here is a pure function of a token, a profile and a session.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from agentkeys.claims import AWS_TAGS_CLAIM, OMNI_CLAIM, WALLET_CLAIM
from agentkeys.errors import TokenUnconfined
from agentkeys.models import Confinement, WebIdentityToken

__all__ = ["check_broker_claims", "check_confined", "is_safe_value"]


_WALLET_FORM = re.compile(r"0x[0-9a-f]+|[0-9a-f]{64}")
_OMNI_FORM = re.compile(r"[0-9a-f]{64}")

# What old brokers put for every session without a wallet: SHA-256 of "agentkeys" + "evm" + "".
# Whoever held it shared one prefix with every other such user.
SHARED_OMNI = "59b663ae9efa8eb5bb8063c4e9cdef8efc6395aa2d4ab9050412666c1d036521"


def check_confined(token: WebIdentityToken, confine: Confinement) -> None:
    """Raises TokenUnconfined unless `token` carries what `confine` relies on."""
    if confine.kind == "tags":
        _principal_tags(token.claims)
    elif confine.kind == "claim":
        _check_claim(token.claims, confine.claim or "")
    elif confine.kind != "role":
        raise _unconfined(f"nothing is known to confine by {confine.kind!r}", "correct confine")


def check_broker_claims(
    token: WebIdentityToken, *, wallet: str | None, omni: str, issuer: str
) -> None:
    """Holds a broker's token against its own tags and against the session that it was minted for.

    `wallet` and `omni` are the session's, lower-case; a session without a wallet is known by its
    omni alone. Brokers of the first week of June 2026 copied the omni as the session spelt it, with
    0x or in upper case. Stores compare letters: such a token is refused, since it would lead to
    another prefix than the same user has at any other broker. Raises TokenUnconfined.
    """
    claims = token.claims
    if token.issuer != issuer:
        raise _unconfined(
            f"the token's issuer is {token.issuer!r}, the session's is {issuer!r}",
            "log in again, and check the broker's url",
        )
    found = _string(claims, WALLET_CLAIM)
    if not _WALLET_FORM.fullmatch(found):
        raise _unconfined(
            f"the token's {WALLET_CLAIM} is {'empty' if not found else 'malformed'}",
            "the broker is too old for this kind of login, or broken: log in with a wallet, or ask"
            " its operator",
        )
    actor = claims.get(OMNI_CLAIM)
    if actor is not None and (not isinstance(actor, str) or not _OMNI_FORM.fullmatch(actor)):
        raise _unconfined(
            f"the token's {OMNI_CLAIM} is malformed",
            "it must be 64 hex digits in lower case, as brokers write it since 10 June 2026:"
            " ask the broker's operator",
        )
    if SHARED_OMNI in (found, actor):
        raise _unconfined(
            "the token carries the omni that every user without a wallet shares",
            "log in with a wallet, or ask the broker's operator for a newer broker",
        )
    if found != (wallet or omni) or actor not in (None, omni):
        raise _unconfined(
            "the token belongs to another identity than the session",
            "log in again; if it happens once more, tell the broker's operator",
        )
    if token.subject.rpartition(":")[2] not in (found, omni):
        # Some stores confine by it, and runs may be pinned to it.
        raise _unconfined(
            "the token's sub names somebody else than its claims", "ask the broker's operator"
        )
    _check_tags_match(claims)


def is_safe_value(value: object) -> bool:
    """Whether a claim can stand in a path or a policy without meaning more than itself."""
    return (
        isinstance(value, str)
        and 0 < len(value) <= 256
        and value.isprintable()
        and not set(value) & set("*?${}\\")
        and "/.." not in value
        and not set(value.split("/")) & {"", ".", ".."}
    )


def _check_claim(claims: Mapping[str, Any], name: str) -> None:
    value = claims.get(name)
    if value is None:
        raise _unconfined(
            f"the token has no {name} claim, which is what confines its user",
            "make the issuer add it, or set the profile's confine to what the store really checks",
        )
    if not is_safe_value(value):
        raise _unconfined(
            f"the token's {name} claim is not one plain value",
            "it must be one non-empty string without * ? $ { } or /..",
        )
    if name == WALLET_CLAIM and not _WALLET_FORM.fullmatch(value):
        raise _unconfined(f"the token's {name} is malformed", "it must be 0x… or 64 hex digits")


def _principal_tags(claims: Mapping[str, Any]) -> dict[str, str]:
    tags = claims.get(AWS_TAGS_CLAIM)
    principal = tags.get("principal_tags") if isinstance(tags, dict) else None
    if not isinstance(principal, dict) or not principal:
        raise _unconfined(
            "the token carries no session tags, so nothing would confine its user",
            f"make the issuer add the {AWS_TAGS_CLAIM} claim",
        )
    return {name: _one_tag_value(name, values) for name, values in principal.items()}


def _one_tag_value(name: str, values: object) -> str:
    # AWS reads lists only; a bare string would leave the session untagged.
    if not isinstance(values, list) or len(values) != 1 or not is_safe_value(values[0]):
        raise _unconfined(
            f"the token's session tag {name[:64]!r} is not one plain value",
            "each tag must hold exactly one non-empty string without * ? $ { } or /..",
        )
    return str(values[0])


def _check_tags_match(claims: Mapping[str, Any]) -> None:
    """A broker's tags must repeat its bare claims, whichever of them the store reads."""
    tags = _principal_tags(claims)
    for name in (WALLET_CLAIM, OMNI_CLAIM):
        if tags.get(name) != claims.get(name):
            raise _unconfined(
                f"the token's session tag and its claim disagree about {name}",
                "ask the broker's operator",
            )


def _string(claims: Mapping[str, Any], name: str) -> str:
    value = claims.get(name)
    return value if isinstance(value, str) else ""


def _unconfined(message: str, hint: str) -> TokenUnconfined:
    return TokenUnconfined(message, hint=hint)
