"""JWTs are read strictly, since nobody verifies them on this side."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentkeys.errors import TokenInvalid
from agentkeys.jwts import parse_claims, parse_expiry, parse_web_identity_token
from agentkeys.secret import Secret
from agentkeys.stores import STORE_KINDS
from tests.support.moved_clock import SAMPLE_NOW
from tests.support.samples import broker_sample
from tests.support.tokens import (
    ALICE,
    AUDIENCE,
    ISSUER,
    MISMADE,
    mismade_jwt,
    sign,
    web_identity_claims,
    web_identity_jwt,
)

GOOD = web_identity_jwt()
HEADER, PAYLOAD, SIGNATURE = GOOD.split(".")


def _segment(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def _signed_with(algorithm: str | None) -> str:
    return f"{_segment({'alg': algorithm})}.{PAYLOAD}.{SIGNATURE}"


def test_a_good_token_is_read() -> None:
    """Its claims, and the four of them that every token has to have."""
    token = parse_web_identity_token(Secret(GOOD), now=SAMPLE_NOW)
    assert (token.issuer, token.audiences) == (ISSUER, (AUDIENCE,))
    assert token.subject == f"agentkeys:agent:{ALICE.wallet}"
    assert token.expires_at == SAMPLE_NOW + timedelta(minutes=5)
    assert token.claims == web_identity_claims()
    assert token.jwt == Secret(GOOD)


def test_the_broker_s_sample_is_read() -> None:
    """A token as the contract shows it."""
    sample = broker_sample("mint-oidc-jwt.200")
    at = datetime.fromtimestamp(sample["expiration"] - 300, UTC)
    token = parse_web_identity_token(Secret(sample["jwt"]), now=at)
    assert token.claims == broker_sample("oidc-jwt.claims")


def test_a_token_may_be_for_several() -> None:
    """OIDC issuers other than the broker write a list."""
    token = sign({**web_identity_claims(), "aud": ["a", "b"]})
    assert parse_web_identity_token(Secret(token), now=SAMPLE_NOW).audiences == ("a", "b")


@pytest.mark.parametrize(
    "how",
    [
        "signed with a shared secret",
        "not signed",
        "signature cut off",
        "not a token",
        "expired",
        "without an expiry",
        "without an audience",
    ],
)
def test_a_token_that_no_store_could_take_is_refused(how: str) -> None:
    """Whatever it claims."""
    token = Secret(mismade_jwt(how, web_identity_claims()))
    with pytest.raises(TokenInvalid) as refusal:
        parse_web_identity_token(token, now=SAMPLE_NOW)
    assert refusal.value.hint
    assert refusal.value.__cause__ is None


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param(f"{HEADER}.{PAYLOAD}", id="two segments"),
        pytest.param(f"{HEADER}.{PAYLOAD}.{SIGNATURE}.{SIGNATURE}", id="four segments"),
        pytest.param(f"{GOOD}\n", id="a line's end"),
        pytest.param(f" {GOOD}", id="a space"),
        pytest.param(f"{HEADER}=.{PAYLOAD}.{SIGNATURE}", id="padding"),
        pytest.param(f"{HEADER}.{PAYLOAD}.\udc00", id="half a pair"),
        pytest.param(f"{HEADER}.A.{SIGNATURE}", id="a payload that is no base64"),
        pytest.param(f"{HEADER}.{_segment([1])}.{SIGNATURE}", id="a list for claims"),
        pytest.param(f"{HEADER}.{_segment(1)}.{SIGNATURE}", id="a number for claims"),
        pytest.param(f"{_segment([1])}.{PAYLOAD}.{SIGNATURE}", id="a list for a header"),
        pytest.param(f"{_segment({})}.{PAYLOAD}.{SIGNATURE}", id="no algorithm"),
        pytest.param(_signed_with(None), id="a null algorithm"),
        pytest.param(_signed_with("NONE"), id="NONE"),
        pytest.param(_signed_with("hs256"), id="hs256"),
        pytest.param(_signed_with("es256"), id="es256"),
        pytest.param(_signed_with("ES256\n"), id="ES256 and more"),
        pytest.param(f"{HEADER}.{'A' * 20_000}.{SIGNATURE}", id="over 20000 characters"),
        pytest.param(
            f"{HEADER}.{base64.urlsafe_b64encode(b'[' * 9_000).decode()}.{SIGNATURE}",
            id="deep nesting",
        ),
    ],
)
def test_garbage_is_refused_without_being_repeated(text: str) -> None:
    """Neither the message nor a cause holds any part of what was read."""
    with pytest.raises(TokenInvalid) as refusal:
        parse_claims(Secret(text), what="the token")
    assert SIGNATURE not in str(refusal.value)
    assert PAYLOAD not in str(refusal.value)
    assert refusal.value.__cause__ is None
    assert refusal.value.__suppress_context__ or refusal.value.__context__ is None


@pytest.mark.parametrize("algorithm", ["RS256", "RS384", "RS512", "ES256", "ES384", "ES512"])
def test_every_algorithm_that_a_store_can_check_is_taken(algorithm: str) -> None:
    """Whether the store takes it is for the store to say."""
    token = _signed_with(algorithm)
    assert parse_claims(Secret(token), what="the token")["aud"] == AUDIENCE
    parsed = parse_web_identity_token(Secret(token), now=SAMPLE_NOW)
    assert (parsed.algorithm, parsed.key_id) == (algorithm, None)


def test_a_token_names_the_key_that_signed_it() -> None:
    """As far as its header does: some stores cannot find the key otherwise."""
    token = sign(web_identity_claims())
    assert parse_web_identity_token(Secret(token), now=SAMPLE_NOW).key_id == "oidc-1778200000"


def test_another_algorithm_is_refused_with_those_that_are_good_anywhere() -> None:
    """Whichever store it would have been for."""
    token = Secret(mismade_jwt("signed with a shared secret", web_identity_claims()))
    with pytest.raises(TokenInvalid, match="signed with HS256") as refusal:
        parse_web_identity_token(token, now=SAMPLE_NOW)
    assert refusal.value.hint == "have the issuer sign with RS256 or ES256, which every store takes"
    assert all({"RS256", "ES256"} <= kind.algorithms for kind in STORE_KINDS.values())


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        pytest.param("exp", None, "no expiry", id="null expiry"),
        pytest.param("exp", "1780315500", "no expiry", id="expiry as text"),
        pytest.param("exp", True, "no expiry", id="true for an expiry"),
        pytest.param("exp", 10**20, "impossible expiry", id="after all years"),
        pytest.param("exp", float("inf"), "impossible expiry", id="never"),
        pytest.param("exp", float("nan"), "impossible expiry", id="not a number"),
        pytest.param("iss", "", "no 'iss' claim", id="empty issuer"),
        pytest.param("iss", ["a"], "no 'iss' claim", id="a list for an issuer"),
        pytest.param("sub", None, "no 'sub' claim", id="no subject"),
        pytest.param("aud", "", "no audience", id="empty audience"),
        pytest.param("aud", [], "no audience", id="no audience in the list"),
        pytest.param("aud", ["a", 1], "no audience", id="a number for an audience"),
        pytest.param("aud", ["a", ""], "no audience", id="an empty audience in the list"),
        pytest.param("aud", "a\x1b[2J", "do not print", id="an audience that clears the screen"),
        pytest.param("sub", "\x1b]0;x\x07", "do not print", id="a subject that sets the title"),
        pytest.param("sub", "alice\n", "do not print", id="a subject of more than one line"),
        pytest.param("sub", "\ud800", "do not print", id="a subject that is no text"),
        pytest.param("sub", "a\u202eb", "do not print", id="a subject that reads backwards"),
        pytest.param("iss", "https://a b", "a space", id="an issuer that goes on as a subject"),
    ],
)
def test_a_claim_of_the_wrong_kind_is_refused(name: str, value: object, words: str) -> None:
    """Rather than taken for something like it."""
    with pytest.raises(TokenInvalid, match=words):
        parse_web_identity_token(
            Secret(sign({**web_identity_claims(), name: value})), now=SAMPLE_NOW
        )


def test_a_subject_may_have_spaces_and_letters_of_any_script() -> None:
    """As directories have them."""
    claims = {**web_identity_claims(), "sub": "Zoë Ōta, office 3"}
    token = parse_web_identity_token(Secret(sign(claims)), now=SAMPLE_NOW)
    assert token.subject == claims["sub"]


def test_a_token_is_over_at_its_expiry() -> None:
    """Not one second later."""
    expiry = SAMPLE_NOW + timedelta(minutes=5)
    assert parse_web_identity_token(Secret(GOOD), now=expiry - timedelta(microseconds=1))
    with pytest.raises(TokenInvalid, match="already expired"):
        parse_web_identity_token(Secret(GOOD), now=expiry)


def test_an_expiry_may_have_a_fraction() -> None:
    """Numeric dates may, in RFC 7519."""
    assert parse_expiry({"exp": 1.5}, what="x") == datetime.fromtimestamp(1.5, UTC)


@given(st.text(max_size=200) | st.from_regex(r"[\w-]*\.[\w-]*\.[\w-]*", fullmatch=True))
def test_no_text_breaks_the_reader(text: str) -> None:
    """Claims or TokenInvalid, nothing else."""
    try:
        parse_web_identity_token(Secret(text), now=SAMPLE_NOW)
    except TokenInvalid:
        return
    raise AssertionError("no such text is a token")


def test_every_way_to_be_wrong_starts_from_a_good_token() -> None:
    """Or the tests that use MISMADE would pass for another reason than they say."""
    assert all(mismade_jwt(how, web_identity_claims()) != GOOD for how in MISMADE)
    assert parse_web_identity_token(Secret(GOOD), now=SAMPLE_NOW)
