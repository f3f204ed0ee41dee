"""What the doctor's steps look at, made up: pages, tokens, keys."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import jwt
from jwt.algorithms import ECAlgorithm

from agentkeys.doctor import Finding
from agentkeys.doctor.probes import Page
from agentkeys.jwts import parse_web_identity_token
from agentkeys.models import WebIdentityToken
from agentkeys.secret import Secret
from agentkeys.transport import Answer, TransportError
from tests.support.moved_clock import SAMPLE_NOW
from tests.support.tokens import signing_key, web_identity_claims

__all__ = ["KID", "a_page", "a_token", "no_page", "public_key", "verdict"]

KID = "oidc-1778200000"
"""The key that `tests.support.tokens` signs web identity tokens with."""


def verdict(finding: Finding) -> tuple[str, str | None]:
    """How a step ended, and what it calls that."""
    return finding.outcome.value, finding.code


def a_page(document: object, *, status: int = 200, url: str = "https://x.example.com/") -> Page:
    """An answer that holds `document`, as JSON unless it is bytes."""
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    return Page(url, Answer(status, {}, body, None))


def no_page(url: str = "https://x.example.com/") -> Page:
    problem = TransportError("nothing answers at x.example.com", hint="see whether it is running")
    return Page(url, problem=problem)


def a_token(
    *,
    without: tuple[str, ...] = (),
    header: Mapping[str, Any] | None = None,
    key: str = "oidc",
    algorithm: str = "ES256",
    claims: Mapping[str, Any] = {},
    **changes: Any,
) -> WebIdentityToken:
    """Alice's good token, but for `claims`, `changes` in them too, and its `header`."""
    said = {**web_identity_claims(), **claims, **changes}
    signed = jwt.encode(
        {name: value for name, value in said.items() if name not in without},
        signing_key(key),
        algorithm=algorithm,
        headers=dict({"kid": KID} if header is None else header),
    )
    return parse_web_identity_token(Secret(signed), now=SAMPLE_NOW)


def public_key(key: str = "oidc", **changes: Any) -> dict[str, Any]:
    """As a key set lists it; None takes a member out."""
    public = ECAlgorithm.to_jwk(signing_key(key).public_key(), as_dict=True)
    listed = {**public, "kid": KID, "alg": "ES256", "use": "sig", **changes}
    return {name: value for name, value in listed.items() if value is not None}
