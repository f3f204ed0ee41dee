"""A web identity token, and the check whether it confines its user."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from typing import Any

from agentkeys.confinement import check_confined
from agentkeys.errors import TokenError
from agentkeys.jwts import ALGORITHMS, parse_web_identity_token
from agentkeys.models import Confinement, WebIdentityToken
from agentkeys.secret import Secret
from tests.fuzz.edges.edge import Edge, hold
from tests.support.moved_clock import SAMPLE_NOW
from tests.support.tokens import ALICE, MISMADE, TAGS, mismade_jwt, sign, web_identity_claims

__all__ = ["JWT"]

_CLAIM = "agentkeys_user_wallet"
_BY_TAGS = Confinement.parse("tags")
_BY_CLAIM = Confinement.parse(f"claim:{_CLAIM}")
_PATTERNS = frozenset("*?${}")
_HEADER = '{"alg":"ES256","kid":"k","typ":"JWT"}'


def _seeds() -> Sequence[bytes]:
    """`r` and a whole token, or `p` and a payload, which is then put between the other segments."""
    good = web_identity_claims(ALICE)
    tokens = [sign(good), *(mismade_jwt(name, good) for name in MISMADE)]
    payloads = [_decoded(token.split(".")[1]) for token in tokens if token.count(".") == 2]
    return [b"r" + token.encode() for token in tokens] + [b"p" + payload for payload in payloads]


def _check(data: bytes) -> None:
    text = _compact(data[1:]) if data[:1] == b"p" else data[1:].decode("utf-8", "replace")
    try:
        token = parse_web_identity_token(Secret(text), now=SAMPLE_NOW)
    except TokenError as problem:
        _check_words(problem)
        return
    hold(token.algorithm in ALGORITHMS, "an algorithm that proves nothing")
    hold(token.expires_at > SAMPLE_NOW, "a token that is over")
    for shown in (token.issuer, token.subject, *token.audiences):
        hold(shown and shown.isprintable(), "a claim that a terminal would obey")
    hold(token.audiences, "a token for nobody")
    for confine, values in ((_BY_TAGS, _tag_values), (_BY_CLAIM, _claim_values)):
        if _passes(token, confine):
            for value in values(token.claims):
                _check_value(value)


def _passes(token: WebIdentityToken, confine: Confinement) -> bool:
    try:
        check_confined(token, confine)
    except TokenError as problem:
        _check_words(problem)
        return False
    return True


def _tag_values(claims: Mapping[str, Any]) -> list[object]:
    tags = claims[TAGS]["principal_tags"]
    hold(tags, "no tags at all")
    hold(all(isinstance(values, list) and len(values) == 1 for values in tags.values()), "a list")
    return [values[0] for values in tags.values()]


def _claim_values(claims: Mapping[str, Any]) -> list[object]:
    return [claims.get(_CLAIM)]


def _check_value(value: object) -> None:
    """Said once more, in other words than the program's."""
    hold(isinstance(value, str) and value.strip(), "confined to nothing")
    hold(not _PATTERNS.intersection(str(value)), "confined to a pattern")
    hold("/.." not in str(value) and str(value) != "..", "confined to a way out")


def _check_words(problem: TokenError) -> None:
    hold(f"{problem.message}{problem.hint}".isprintable(), "an error that a terminal would obey")


def _compact(payload: bytes) -> str:
    segments = (_HEADER.encode(), payload, b"signature")
    return ".".join(base64.urlsafe_b64encode(each).rstrip(b"=").decode() for each in segments)


def _decoded(segment: str) -> bytes:
    padded = segment + "=" * (-len(segment) % 4)
    try:
        return json.dumps(json.loads(base64.urlsafe_b64decode(padded))).encode()
    except ValueError:
        return b"{}"


JWT = Edge("jwt", "web identity tokens", _seeds, _check)
