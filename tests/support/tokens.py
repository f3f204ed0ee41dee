"""JWTs as an agentKeys broker signs them, and as no broker should."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    EllipticCurvePrivateKey,
    generate_private_key,
)

from tests.support.moved_clock import SAMPLE_NOW

__all__ = [
    "ALICE",
    "AUDIENCE",
    "BOB",
    "CAROL",
    "ISSUER",
    "LATEST",
    "MISMADE",
    "SHARED_OMNI",
    "TAGS",
    "User",
    "mismade_jwt",
    "session_claims",
    "session_jwt",
    "sign",
    "signing_key",
    "web_identity_claims",
    "web_identity_jwt",
]

ISSUER = "https://broker.example.com"
AUDIENCE = "sts.amazonaws.com"
TAGS = "https://aws.amazon.com/tags"
SHARED_OMNI = "59b663ae9efa8eb5bb8063c4e9cdef8efc6395aa2d4ab9050412666c1d036521"
"""What brokers of May 2026 gave to every user without a wallet."""

LATEST = 10
"""The last generation of brokers that changed anything for clients."""

Claims = dict[str, Any]


@dataclass(frozen=True)
class User:
    """Somebody with an account at a broker."""

    omni: str
    wallet: str = ""
    """Empty for those who logged in by e-mail or OAuth2."""
    identity_type: str = "evm"

    @property
    def subject(self) -> str:
        return self.wallet or self.omni


ALICE = User(
    omni="b8ff2a073a2cb97d8ccbf129c93c5c1cbc6805fe253559a1c12017010f0257da",
    wallet="0x745f96a153d61c6e0ea9514811e2ce9f6f1f5ef9",
)
BOB = User(omni="b0b" + "5" * 61, wallet="0xb0b" + "5" * 37)
CAROL = User(
    omni="caf843f7f6b17c15fb43e8f6b2ae2e850045497ba7fb6a58b9d930ba6c158824",
    identity_type="email",
)


@cache
def signing_key(name: str = "oidc") -> EllipticCurvePrivateKey:
    """A P-256 key for this run of the tests, another one for each name."""
    return generate_private_key(SECP256R1())


def sign(claims: Claims, *, key: str = "oidc") -> str:
    """`claims`, be they as wrong as they may, as a compact ES256 JWT."""
    return jwt.api_jws.encode(
        json.dumps(claims).encode(),
        signing_key(key),
        algorithm="ES256",
        headers={"kid": f"{key}-1778200000"},
    )


def web_identity_claims(
    user: User = ALICE,
    *,
    issuer: str = ISSUER,
    audience: str = AUDIENCE,
    at: datetime = SAMPLE_NOW,
    lifetime: timedelta = timedelta(minutes=5),
    generation: int = LATEST,
) -> Claims:
    """The payload that brokers of a generation sign for `user`'s session."""
    tags = _tags(user, generation)
    claims = {
        "iss": issuer,
        "sub": f"agentkeys:agent:{tags['agentkeys_user_wallet']}",
        "aud": audience,
        "iat": int(at.timestamp()),
        "exp": int((at + lifetime).timestamp()),
        **tags,
    }
    if generation >= 3:
        claims[TAGS] = {
            "principal_tags": {name: [value] for name, value in tags.items()},
            "transitive_tag_keys": list(tags),
        }
    return claims


def _tags(user: User, generation: int) -> dict[str, str]:
    """Source: the broker's client contract, sections 2.2 and 2.5."""
    if generation < 5:
        return {"agentkeys_user_wallet": user.wallet}
    if generation < 7:
        omni = user.omni if user.wallet else SHARED_OMNI
        return {"agentkeys_user_wallet": user.wallet, "agentkeys_actor_omni": omni}
    omni = user.omni.lower().removeprefix("0x") if generation >= 8 else user.omni
    return {"agentkeys_user_wallet": user.wallet or omni, "agentkeys_actor_omni": omni}


def web_identity_jwt(user: User = ALICE, **options: Any) -> str:
    """A good token; the options are those of `web_identity_claims`."""
    return sign(web_identity_claims(user, **options))


def session_claims(
    user: User = ALICE,
    *,
    issuer: str = ISSUER,
    at: datetime = SAMPLE_NOW,
    lifetime: timedelta = timedelta(hours=5),
    jti: str = "6532fcb524a00-caf196a0dd089605",
) -> Claims:
    """The payload of a broker session of `user`."""
    return {
        "iss": issuer,
        "sub": f"agentkeys:user:{user.omni}",
        "aud": "agentkeys:broker",
        "iat": int(at.timestamp()),
        "exp": int((at + lifetime).timestamp()),
        "jti": jti,
        "agentkeys": {
            "omni_account": user.omni,
            "wallet_address": user.wallet,
            "identity_type": user.identity_type,
            "identity_value": user.wallet or "carol@example.com",
        },
    }


def session_jwt(user: User = ALICE, **options: Any) -> str:
    """A session; the options are those of `session_claims`."""
    return sign(session_claims(user, **options), key="ak-session")


def mismade_jwt(how: str, good: Claims) -> str:
    """A token like the `good` one, but wrong in one way: one of MISMADE."""
    return MISMADE[how](copy.deepcopy(good))


def _with(**changes: Any) -> Callable[[Claims], str]:
    return lambda claims: sign({**claims, **changes})


def _without(*names: str) -> Callable[[Claims], str]:
    return lambda claims: sign({name: claims[name] for name in claims if name not in names})


def _with_wallet(wallet: str) -> Callable[[Claims], str]:
    """Everything about the wallet says the same, as of a broker that believes it."""

    def make(claims: Claims) -> str:
        claims["agentkeys_user_wallet"] = wallet
        claims["sub"] = f"agentkeys:agent:{wallet}"
        claims[TAGS]["principal_tags"]["agentkeys_user_wallet"] = [wallet]
        return sign(claims)

    return make


def _with_omni(omni: str) -> Callable[[Claims], str]:
    def make(claims: Claims) -> str:
        claims["agentkeys_actor_omni"] = omni
        claims[TAGS]["principal_tags"]["agentkeys_actor_omni"] = [omni]
        return sign(claims)

    return make


def _with_tag(value: object) -> Callable[[Claims], str]:
    """Only the session tag about the wallet is wrong, the bare claim is right."""

    def make(claims: Claims) -> str:
        claims[TAGS]["principal_tags"]["agentkeys_user_wallet"] = value
        return sign(claims)

    return make


def _without_tag(name: str) -> Callable[[Claims], str]:
    def make(claims: Claims) -> str:
        del claims[TAGS]["principal_tags"][name]
        return sign(claims)

    return make


def _changed_signature(claims: Claims, signature: str) -> str:
    return sign(claims).rpartition(".")[0] + f".{signature}"


MISMADE: dict[str, Callable[[Claims], str]] = {
    "signed with a shared secret": lambda claims: jwt.encode(claims, "s" * 32, algorithm="HS256"),
    "not signed": lambda claims: jwt.encode(claims, "", algorithm="none"),
    "signature cut off": lambda claims: _changed_signature(claims, ""),
    "not a token": lambda _claims: "<html>",
    "without tags": _without(TAGS),
    "with tags as text": _with_tag(ALICE.wallet),
    "with two values for a tag": _with_tag([ALICE.wallet, BOB.wallet]),
    "with an empty tag": _with_tag([""]),
    "with another's tag": _with_tag([BOB.wallet]),
    "without the wallet's tag": _without_tag("agentkeys_user_wallet"),
    "without the omni's tag": _without_tag("agentkeys_actor_omni"),
    "without the wallet's claim": _without("agentkeys_user_wallet"),
    "with an empty wallet": _with_wallet(""),
    "with another's wallet": _with_wallet(BOB.wallet),
    "with the wallet in upper case": _with_wallet(ALICE.wallet.upper()),
    "with a wildcard for a wallet": _with_wallet("*"),
    "with a path for a wallet": _with_wallet("../0xab"),
    "with a line's end after the wallet": _with_wallet(ALICE.wallet + "\n"),
    "with the shared omni": _with_omni(SHARED_OMNI),
    "with the shared omni for a wallet": _with_wallet(SHARED_OMNI),
    "with another's omni": _with_omni(BOB.omni),
    "with a malformed omni": _with_omni("0x" + ALICE.omni),
    "with another's subject": _with(sub=f"agentkeys:agent:{BOB.wallet}"),
    "with an empty subject": _with(sub="agentkeys:agent:"),
    "for another audience": _with(aud="vault.example.com"),
    "by another issuer": _with(iss="https://evil.example.com"),
    "expired": lambda claims: sign({**claims, "exp": claims["iat"] - 1}),
    "without an expiry": _without("exp"),
    "without an audience": _without("aud"),
}
"""Every way in which a token must not become credentials, by its name."""
