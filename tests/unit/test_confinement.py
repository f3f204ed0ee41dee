"""The one promise: a token that would not confine its user never becomes credentials."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentkeys.confinement import check_broker_claims, check_confined, is_safe_value
from agentkeys.errors import AgentkeysError, TokenUnconfined
from agentkeys.jwts import parse_web_identity_token
from agentkeys.models import Confinement, WebIdentityToken
from agentkeys.secret import Secret
from agentkeys.stores import STORE_KINDS
from tests.support.moved_clock import SAMPLE_NOW
from tests.support.samples import broker_sample
from tests.support.tokens import (
    ALICE,
    BOB,
    CAROL,
    ISSUER,
    MISMADE,
    SHARED_OMNI,
    TAGS,
    User,
    mismade_jwt,
    web_identity_claims,
)

WALLET = "agentkeys_user_wallet"
BY_TAGS, BY_ROLE = Confinement("tags"), Confinement("role")
BY_WALLET = Confinement("claim", WALLET)


def a_token(claims: dict[str, Any], issuer: str = ISSUER) -> WebIdentityToken:
    return WebIdentityToken(
        jwt=Secret("not looked at"),
        claims=claims,
        issuer=issuer,
        subject=claims.get("sub", "sub"),
        audiences=("aud",),
        expires_at=SAMPLE_NOW + timedelta(minutes=5),
        algorithm="ES256",
        key_id="key",
    )


def tagged(tags: object) -> WebIdentityToken:
    return a_token({TAGS: tags})


def check_as(user: User, token: WebIdentityToken) -> None:
    check_broker_claims(token, wallet=user.wallet or None, omni=user.omni, issuer=ISSUER)


# By what a store is told to rely on.


@pytest.mark.parametrize("confine", [BY_TAGS, BY_WALLET, BY_ROLE], ids=str)
def test_a_broker_s_token_confines_by_anything(confine: Confinement) -> None:
    """It carries the wallet as a tag and as a claim."""
    check_confined(a_token(web_identity_claims()), confine)


@pytest.mark.parametrize("kind", STORE_KINDS.values(), ids=list(STORE_KINDS))
def test_no_store_takes_an_empty_token_by_default(kind: Any) -> None:
    """`role` has to be written down, it is nobody's default."""
    with pytest.raises(TokenUnconfined):
        check_confined(a_token({}), kind.default_confine)


def test_a_role_of_one_s_own_asks_nothing_of_the_token() -> None:
    """The user has said that the role belongs to one identity."""
    check_confined(a_token({}), BY_ROLE)


def test_a_kind_that_nobody_knows_confines_nothing() -> None:
    """Forgetting a case here must not open the door."""
    with pytest.raises(TokenUnconfined, match="nothing is known to confine"):
        check_confined(a_token(web_identity_claims()), Confinement("policy"))


@pytest.mark.parametrize(
    "tags",
    [
        pytest.param(None, id="null"),
        pytest.param("wallet", id="text"),
        pytest.param([], id="a list"),
        pytest.param({}, id="no principal tags"),
        pytest.param({"principal_tags": None}, id="null principal tags"),
        pytest.param({"principal_tags": []}, id="a list of principal tags"),
        pytest.param({"principal_tags": {}}, id="empty principal tags"),
        pytest.param({"transitive_tag_keys": [WALLET]}, id="transitive keys alone"),
        pytest.param({"principal_tags": {WALLET: ALICE.wallet}}, id="text for a list"),
        pytest.param({"principal_tags": {WALLET: []}}, id="no value"),
        pytest.param({"principal_tags": {WALLET: [ALICE.wallet] * 2}}, id="two values"),
        pytest.param({"principal_tags": {WALLET: [""]}}, id="an empty value"),
        pytest.param({"principal_tags": {WALLET: [None]}}, id="a null value"),
        pytest.param({"principal_tags": {WALLET: [7]}}, id="a number"),
        pytest.param({"principal_tags": {WALLET: [[ALICE.wallet]]}}, id="a list in the list"),
        pytest.param({"principal_tags": {WALLET: ["*"]}}, id="a wildcard"),
        pytest.param({"principal_tags": {WALLET: ["ok"], "x": [""]}}, id="one good, one empty"),
    ],
)
def test_tags_hold_one_plain_value_each(tags: object) -> None:
    """Anything else leaves a session untagged, or tagged with more than itself."""
    with pytest.raises(TokenUnconfined) as refusal:
        check_confined(tagged(tags), BY_TAGS)
    assert refusal.value.hint


def test_tags_of_any_name_confine() -> None:
    """Which tag a policy reads is its author's business."""
    check_confined(tagged({"principal_tags": {"team": ["blue"], "user": ["a@b"]}}), BY_TAGS)


UNSAFE = [
    pytest.param("", id="empty"),
    pytest.param("*", id="star"),
    pytest.param("a?", id="question mark"),
    pytest.param("${aws:username}", id="policy variable"),
    pytest.param("$", id="dollar"),
    pytest.param("{", id="open brace"),
    pytest.param("}", id="close brace"),
    pytest.param("..", id="dots"),
    pytest.param(".", id="dot"),
    pytest.param("../0xab", id="up"),
    pytest.param("a/../b", id="up and down"),
    pytest.param("a/..", id="up at the end"),
    pytest.param("a/..b", id="nearly up"),
    pytest.param("a/./b", id="the same folder"),
    pytest.param("a/.", id="the same folder at the end"),
    pytest.param("./a", id="the same folder first"),
    pytest.param("/a", id="from the root"),
    pytest.param("a/", id="a slash at the end"),
    pytest.param("a//b", id="two slashes"),
    pytest.param("a\\..\\b", id="backslashes"),
    pytest.param("a\n", id="a line's end"),
    pytest.param("a\0", id="nul"),
    pytest.param("a\u202eb", id="text turned around"),
    pytest.param("\ud800", id="half a pair"),
    pytest.param("a" * 257, id="longer than AWS's tags"),
    pytest.param(None, id="null"),
    pytest.param(7, id="a number"),
    pytest.param(True, id="true"),
    pytest.param(["a"], id="a list"),
    pytest.param({"a": "b"}, id="an object"),
]


@pytest.mark.parametrize("value", UNSAFE)
def test_a_value_that_means_more_than_itself_is_not_safe(value: object) -> None:
    """Neither as a claim nor as a tag."""
    assert not is_safe_value(value)
    with pytest.raises(TokenUnconfined):
        check_confined(a_token({"preferred_username": value}), _by("preferred_username"))
    with pytest.raises(TokenUnconfined):
        check_confined(tagged({"principal_tags": {"user": [value]}}), BY_TAGS)


@pytest.mark.parametrize("value", ["alice", "a.b", "...", "a@example.com", "a b", "grün", "a/b"])
def test_a_plain_value_is_safe(value: str) -> None:
    """People's names are more than ASCII letters, and groups have slashes."""
    assert is_safe_value(value)
    check_confined(a_token({"preferred_username": value}), _by("preferred_username"))


@given(st.text(st.characters(codec=None)) | st.text("*?${}/.\\ab\n", max_size=8))
def test_nothing_accepted_can_widen_a_policy_or_leave_its_folder(value: str) -> None:
    """Whatever text an issuer puts there."""
    try:
        check_confined(a_token({"user": value}), _by("user"))
    except TokenUnconfined:
        return
    assert value
    assert not set(value) & set("*?${}")
    assert "/.." not in value
    assert f"bots/{value}/x".split("/")[1:-1] == [
        part for part in value.split("/") if part not in ("", ".", "..")
    ]


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    )
)
def test_no_shape_of_tags_breaks_the_check(value: object) -> None:
    """It passes or raises TokenUnconfined, nothing else."""
    for tags in (value, {"principal_tags": value}, {"principal_tags": {"user": value}}):
        for confine in (BY_TAGS, BY_WALLET, _by("user")):
            try:
                check_confined(a_token({TAGS: tags, WALLET: value, "user": value}), confine)
            except AgentkeysError as problem:
                assert isinstance(problem, TokenUnconfined)  # noqa: PT017 - not always raised


def _by(claim: str) -> Confinement:
    return Confinement("claim", claim)


@pytest.mark.parametrize(
    "wallet",
    ["alice", ALICE.wallet.upper(), ALICE.wallet[2:], "0x", "0xghij", BOB.omni + "0", BOB.omni[1:]],
)
def test_a_wallet_has_the_form_of_one(wallet: str) -> None:
    """A bucket policy compares it letter by letter, so upper case would be another user."""
    with pytest.raises(TokenUnconfined, match="malformed"):
        check_confined(a_token({WALLET: wallet}), BY_WALLET)


@pytest.mark.parametrize("wallet", [ALICE.wallet, CAROL.omni], ids=["address", "omni"])
def test_a_wallet_is_an_address_or_an_omni(wallet: str) -> None:
    """Sessions without a wallet get their omni in its place."""
    check_confined(a_token({WALLET: wallet}), BY_WALLET)


# A broker's tokens, held against their session.


@pytest.mark.parametrize("user", [ALICE, BOB, CAROL], ids=["alice", "bob", "without a wallet"])
def test_a_token_of_the_session_s_own_user_passes(user: User) -> None:
    """With a wallet or without one."""
    check_as(user, a_token(web_identity_claims(user)))


@pytest.mark.parametrize(
    ("sample", "user"),
    [
        pytest.param("oidc-jwt.claims", ALICE, id="today's"),
        pytest.param("oidc-jwt.claims.g4", ALICE, id="without omni, as of May 2026"),
    ],
)
def test_tokens_of_every_generation_pass(sample: str, user: User) -> None:
    """Older brokers name no omni, in the claims and in the tags alike."""
    claims = broker_sample(sample)
    check_as(user, a_token(claims, claims["iss"]))


def test_an_agent_s_token_passes() -> None:
    """A paired agent is known by its omni alone."""
    claims = broker_sample("oidc-jwt.claims.agent")
    agent = User(omni=claims["agentkeys_actor_omni"])
    check_as(agent, a_token(claims, claims["iss"]))


@pytest.mark.parametrize("how", [how for how in MISMADE if how != "for another audience"])
def test_no_mismade_token_gets_through(how: str) -> None:
    """Each is stopped by the reader or here; the audience is the profile's to check."""
    jwt = Secret(mismade_jwt(how, web_identity_claims()))
    with pytest.raises(AgentkeysError) as refusal:
        check_as(ALICE, parse_web_identity_token(jwt, now=SAMPLE_NOW))
    assert refusal.value.code in ("token_invalid", "token_unconfined")
    assert refusal.value.hint


@pytest.mark.parametrize(
    ("token_of", "session_of"),
    [
        pytest.param(BOB, ALICE, id="another wallet"),
        pytest.param(User(BOB.omni, ALICE.wallet), ALICE, id="the wallet with another omni"),
        pytest.param(User(ALICE.omni, BOB.wallet), ALICE, id="the omni with another wallet"),
        pytest.param(User(ALICE.omni), ALICE, id="the omni for the wallet"),
        pytest.param(User(CAROL.omni, ALICE.wallet), CAROL, id="a wallet for the omni"),
    ],
)
def test_a_token_of_anybody_else_is_refused(token_of: User, session_of: User) -> None:
    """Serving it would give somebody else's data to whoever is logged in."""
    with pytest.raises(TokenUnconfined, match="belongs to another identity"):
        check_as(session_of, a_token(web_identity_claims(token_of)))


@pytest.mark.parametrize("user", [User(SHARED_OMNI), User(SHARED_OMNI, ALICE.wallet)])
def test_the_omni_that_everybody_shares_is_refused(user: User) -> None:
    """Also where the session itself has it: its holder shares a prefix with strangers."""
    with pytest.raises(TokenUnconfined, match="every user without a wallet shares"):
        check_as(user, a_token(web_identity_claims(user)))


def test_an_old_broker_s_empty_wallet_is_refused() -> None:
    """A policy's test for the tag's presence passes for an empty one too."""
    claims = web_identity_claims(User(omni="")) | {"agentkeys_actor_omni": CAROL.omni}
    with pytest.raises(TokenUnconfined, match="is empty") as refusal:
        check_as(CAROL, a_token(claims))
    assert "too old" in refusal.value.hint


@pytest.mark.parametrize("issuer", [ISSUER + "/", ISSUER.upper(), "https://evil.example.com"])
def test_the_issuer_is_the_session_s_byte_for_byte(issuer: str) -> None:
    """As the store compares it."""
    with pytest.raises(TokenUnconfined, match="issuer"):
        check_as(ALICE, a_token(web_identity_claims(), issuer))


@pytest.mark.parametrize("omni", ["", 7, ["x"], ALICE.omni.upper(), f"0x{ALICE.omni}"])
def test_a_malformed_omni_is_refused(omni: object) -> None:
    """Where there is one at all."""
    claims = web_identity_claims() | {"agentkeys_actor_omni": omni}
    with pytest.raises(TokenUnconfined, match="agentkeys_actor_omni is malformed"):
        check_as(ALICE, a_token(claims))


@pytest.mark.parametrize("name", [WALLET, "agentkeys_actor_omni"])
@pytest.mark.parametrize("value", [BOB.wallet, BOB.omni])
def test_tags_and_claims_say_the_same(name: str, value: str) -> None:
    """One store reads the tags, another the claims: both must confine to the same user."""
    claims = web_identity_claims()
    claims[TAGS]["principal_tags"][name] = [value]
    with pytest.raises(TokenUnconfined, match=f"disagree about {name}"):
        check_as(ALICE, a_token(claims))


def test_a_tag_without_its_claim_is_refused() -> None:
    """An old broker leaves out both or none."""
    claims = web_identity_claims()
    del claims["agentkeys_actor_omni"]
    with pytest.raises(TokenUnconfined, match="disagree about agentkeys_actor_omni"):
        check_as(ALICE, a_token(claims))


def test_no_refusal_repeats_what_a_token_says_at_length() -> None:
    """A tag's name comes from outside."""
    with pytest.raises(TokenUnconfined) as refusal:
        check_confined(tagged({"principal_tags": {"x" * 5000: [""]}}), BY_TAGS)
    assert len(refusal.value.message) < 200


# What brokers of each generation sign, and for whom a store can tell apart by it.

AGENT = User(omni="3529bd0cb31f6761c8fe8c42e915a90da02eda02cbb4d0e6f3d99340d4991de5")
SPELT_WITH_0X = User(omni=f"0x{CAROL.omni}")
SPELT_IN_UPPER_CASE = User(omni=CAROL.omni.upper())

GENERATIONS = [
    # generation, the session's user, the omni that the session is known by, what is said if refused
    (4, ALICE, ALICE.omni, None),
    (4, CAROL, CAROL.omni, "is empty"),
    (5, ALICE, ALICE.omni, None),
    (5, CAROL, CAROL.omni, "is empty"),
    (6, ALICE, ALICE.omni, None),
    (6, CAROL, CAROL.omni, "is empty"),
    (7, ALICE, ALICE.omni, None),
    (7, CAROL, CAROL.omni, None),
    (7, AGENT, AGENT.omni, None),
    (7, SPELT_WITH_0X, CAROL.omni, "agentkeys_actor_omni is malformed"),
    (7, SPELT_IN_UPPER_CASE, CAROL.omni, "agentkeys_user_wallet is malformed"),
    (8, ALICE, ALICE.omni, None),
    (8, CAROL, CAROL.omni, None),
    (8, AGENT, AGENT.omni, None),
    (8, SPELT_WITH_0X, CAROL.omni, None),
    (8, SPELT_IN_UPPER_CASE, CAROL.omni, None),
    (9, ALICE, ALICE.omni, None),
    (9, AGENT, AGENT.omni, None),
]


@pytest.mark.parametrize(("generation", "user", "omni", "refused"), GENERATIONS)
def test_every_generation_s_tokens_confine_or_are_refused(
    generation: int, user: User, omni: str, refused: str | None
) -> None:
    """The prefix is built from the claims, so that these must be the session's to the letter."""
    token = a_token(web_identity_claims(user, generation=generation))
    wallet = user.wallet or None
    if refused is None:
        check_broker_claims(token, wallet=wallet, omni=omni, issuer=ISSUER)
        assert token.claims[WALLET] == (wallet or omni)
        assert token.subject == f"agentkeys:agent:{wallet or omni}"
        check_confined(token, BY_TAGS)
        return
    with pytest.raises(TokenUnconfined, match=refused):
        check_broker_claims(token, wallet=wallet, omni=omni, issuer=ISSUER)


@pytest.mark.parametrize("generation", [5, 6])
def test_the_shared_omni_of_old_brokers_is_refused_by_name(generation: int) -> None:
    """Also where something else than the omni fills the wallet."""
    claims = web_identity_claims(CAROL, generation=generation)
    claims[WALLET] = CAROL.omni
    with pytest.raises(TokenUnconfined, match="every user without a wallet shares"):
        check_as(CAROL, a_token(claims))


@pytest.mark.parametrize("subject", ["agentkeys:agent:", BOB.wallet, "agentkeys:agent:*"])
def test_the_subject_names_the_session_s_user(subject: str) -> None:
    """Stores that know no tags confine by it."""
    claims = web_identity_claims() | {"sub": subject}
    with pytest.raises(TokenUnconfined, match="sub names somebody else"):
        check_as(ALICE, a_token(claims))
