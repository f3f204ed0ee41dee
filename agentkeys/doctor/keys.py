"""The issuer's published keys: by them the store decides whether a token is genuine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from agentkeys.doctor.finding import Finding, failed, ok, warning
from agentkeys.doctor.probes import Page
from agentkeys.errors import ConfigError
from agentkeys.models import WebIdentityToken
from agentkeys.quoting import quotable
from agentkeys.stores import StoreKind

__all__ = ["examine_keys"]

Key = Mapping[str, Any]

_HTTPS = "have the issuer name a plain https address in jwks_uri"
_TYPES = {"RS": "RSA", "ES": "EC"}
_CURVES = {"ES256": "P-256", "ES384": "P-384", "ES512": "P-521"}


def examine_keys(page: Page, *, token: WebIdentityToken | None, store: StoreKind) -> Finding:
    """Whether the token's key is published, fits, and did sign it.

    Without a token, whether there are keys at all.
    """
    listed = (page.json_object() or {}).get("keys")
    if page.status != 200 or not isinstance(listed, list):
        return _no_key_set(page)
    keys = [key for key in listed if isinstance(key, dict)]
    facts: dict[str, Any] = {"url": page.url, "keys": [_describe(key) for key in keys[:20]]}
    if not keys:
        return failed(
            "keys",
            "keys_empty",
            "the issuer publishes no keys",
            "have the issuer publish the key that it signs with",
            **facts,
        )
    if token is None:
        return _ceph_needs(store, keys, keys[0], facts) or ok(
            "keys", f"the issuer publishes {len(keys)} keys", **facts
        )
    facts |= {"kid": quotable(token.key_id) or None, "alg": token.algorithm}
    return _of_token(token, keys, store, facts)


def _of_token(
    token: WebIdentityToken, keys: Sequence[Key], store: StoreKind, facts: dict[str, Any]
) -> Finding:
    named = [key for key in keys if key.get("kid") == token.key_id] if token.key_id else []
    if token.key_id and not named:
        return failed(
            "keys",
            "kid_unknown",
            f"the token is signed with the key {token.key_id!r}, which the issuer does not publish",
            "have the issuer publish its present key, and wait until caches in between are over",
            **facts,
        )
    fitting = [key for key in named or keys if _fits(key, token.algorithm)]
    if not fitting:
        return failed(
            "keys",
            "key_type_mismatch",
            f"the token is signed with {token.algorithm}, for which the published key is no key",
            "have the issuer publish the key that it signs with, under the kid that it names",
            **facts,
        )
    signer = next((key for key in fitting if _has_signed(key, token)), None)
    if signer is None:
        return failed(
            "keys",
            "signature_mismatch",
            "the published key did not sign the token",
            "have the issuer give a new key a new kid; stores and caches keep the old one",
            **facts,
        )
    return _ceph_needs(store, keys, signer, facts) or ok(
        "keys", "the key that signed the token is published", **facts
    )


def _ceph_needs(
    store: StoreKind, keys: Sequence[Key], signer: Key, facts: dict[str, Any]
) -> Finding | None:
    """What a store needs that reads certificates, and of a key set the first key alone."""
    if not store.needs_certificates:
        return None
    certificates = signer.get("x5c")
    if not isinstance(certificates, list) or not certificates:
        return failed(
            "keys",
            "x5c_missing",
            f"the published key has no certificate (x5c), without which {store.title} does not"
            " read it",
            "have the issuer publish each key with x5c, a self-signed certificate will do",
            **facts,
        )
    if signer is not keys[0]:
        return failed(
            "keys",
            "key_not_first",
            f"the key that signed the token is not the first one published, and {store.title}"
            " looks at that one alone",
            "have the issuer list the key that it signs with first",
            **facts,
        )
    return None


def _fits(key: Key, algorithm: str) -> bool:
    if key.get("kty") != _TYPES.get(algorithm[:2]) or key.get("use", "sig") != "sig":
        return False
    wanted = _CURVES.get(algorithm)
    return key.get("alg", algorithm) == algorithm and wanted in (None, key.get("crv"))


def _has_signed(key: Key, token: WebIdentityToken) -> bool:
    # Reading keys costs ten megabytes of cryptography, which a daemon that only serves never loads.
    import jwt  # noqa: PLC0415

    public = {name: value for name, value in key.items() if name not in ("alg", "use", "key_ops")}
    try:
        loaded = jwt.PyJWK(public, algorithm=token.algorithm)
        jwt.api_jws.decode(token.jwt.reveal(), loaded, algorithms=[token.algorithm])
    except (jwt.PyJWTError, ValueError, TypeError, KeyError):
        return False
    return True


def _no_key_set(page: Page) -> Finding:
    if page.problem:
        return warning(
            "keys",
            "keys_unreachable",
            f"the issuer's keys cannot be had from here: {page.problem.message}",
            _HTTPS if isinstance(page.problem, ConfigError) else page.problem.hint,
            url=page.url,
        )
    return failed(
        "keys",
        "keys_malformed",
        f"there is no key set at {page.url} (status {page.status})",
        "have the issuer's discovery document name where its key set is (jwks_uri)",
        url=page.url,
        status=page.status,
    )


def _describe(key: Key) -> dict[str, Any]:
    return {
        "kid": quotable(key.get("kid")) or None,
        "kty": quotable(key.get("kty")) or None,
        "alg": quotable(key.get("alg")) or None,
        "x5c": bool(key.get("x5c")),
    }
