"""What the installed programs say when a broker or a store answers badly, or not at all.

Always one line what is wrong and one line what to do, nothing on stdout, and no secret.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest

from tests.fakes.broker import MINT, FakeBroker, envelope
from tests.fakes.sts import FakeSts, refusal_body, success_body
from tests.support.place import Place, assert_refused, place_in
from tests.support.programs import Home
from tests.support.tokens import ALICE, BOB, CAROL, mismade_jwt

MANY = 50
"""Answers to script where nobody knows how often will be asked."""

PAGE = b"<!doctype html><title>Sign in</title><p>Please sign in."
STORES = ("aws", "minio", "ceph", "seaweedfs")


def assert_both_refuse(place: Place, status: int, error: str, hint: str) -> None:
    """The shim and `exec`, in the same words; and the program of `exec` does not run."""
    shim, run = place.run_programs()
    assert_refused(shim, status, error, hint, place.sessions)
    assert_refused(run, 125, error, hint, place.sessions)
    assert not (place.home.work / "ran").exists()


@contextmanager
def refusing_port() -> Iterator[str]:
    """The address of a port that is taken and that nobody listens on."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"


# the broker

Answer = tuple[int, object]

BROKER: dict[str, tuple[Answer, int, str, str]] = {
    "a session that it no longer takes": (
        (401, envelope("unauthorized", "session jwt verify: ExpiredSignature")),
        3,
        "the broker no longer accepts ",
        "run: agentkeys login",
    ),
    "401 from something in between": (
        (401, PAGE),
        3,
        "the broker no longer accepts ",
        "run: agentkeys login",
    ),
    "not allowed": (
        (403, envelope("grant_required", "ask\nits owner")),
        1,
        "the broker refused (grant_required): grant required: ask its owner",
        "the owner of this account has to allow it",
    ),
    "too often": (
        (400, envelope("bad_request", "rate limited: 20 per minute, retry in 42s")),
        1,
        "the broker limits how often this may be asked",
        "wait 42 s and try again",
    ),
    "a bad request": (
        (400, envelope("bad_request", "no such thing")),
        1,
        "the broker refused (bad_request): bad request: no such thing",
        "check what was asked of it",
    ),
    "a refusal without words": (
        (400, b""),
        1,
        "the broker refused: status 400",
        "check what was asked of it",
    ),
    "a refusal without end": (
        (400, envelope("x" * 9_000, "y" * 90_000)),
        1,
        "the broker refused",
        "check what was asked of it",
    ),
    "no such path": (
        (404, PAGE),
        1,
        f"does not offer {MINT}",
        "check the identity's url",
    ),
    "its own failure": (
        (500, envelope("internal", "the key store is away")),
        1,
        "answered 500 (internal)",
        "try again in a moment",
    ),
    "a gateway's page": ((502, PAGE), 1, "answered 502", "try again in a moment"),
    "a sign-in page, or anything else that is no JSON": (
        (200, PAGE),
        1,
        "answered something else than JSON",
        "no proxy's sign-in page",
    ),
    "JSON without end": (
        (200, b"[" * 200_000),
        1,
        "answered something else than JSON",
        "no proxy's sign-in page",
    ),
    "more than a token": (
        (200, b'{"jwt": "' + b"x" * 300_000 + b'"}'),
        1,
        "answered with more than 262144 bytes",
        "see whether the configured URL is that of the service",
    ),
    "a number for a token": (
        (200, {"jwt": 3}),
        1,
        "answered something else than a token",
        "no proxy's sign-in page",
    ),
    "a token that is none": (
        (200, {"jwt": "x"}),
        1,
        "the web identity token is not a JWT of three segments",
        "ask whoever runs the issuer",
    ),
    "a token without end": (
        (200, {"jwt": "eyJ0" * 6_000}),
        1,
        "the web identity token is longer than 20000 characters",
        "ask whoever runs the issuer",
    ),
    "a token with half a surrogate": (
        (200, b'{"jwt": "\\ud800.a.b"}'),
        1,
        "the web identity token is not a JWT of three segments",
        "ask whoever runs the issuer",
    ),
}


@pytest.mark.parametrize(("answer", "status", "error", "hint"), BROKER.values(), ids=BROKER)
def test_a_broker_that_answers_badly(
    place: Place, answer: Answer, status: int, error: str, hint: str
) -> None:
    """Its words are passed on, bounded and on one line; the store never hears of it."""
    place.broker.answer_with(MINT, *answer, times=MANY)
    assert_both_refuse(place, status, error, hint)
    assert place.sts.requests == []


def test_a_broker_that_repeats_the_session(place: Place) -> None:
    """In whatever field, it goes no further."""
    said = {"error": place.sessions[0], "message": f"session {place.sessions[0]} is bad"}
    place.broker.answer_with(MINT, 400, said, times=MANY)
    assert_both_refuse(place, 1, "the broker refused: status 400", "check what was asked of it")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_broker_that_sends_elsewhere(place: Place, status: int) -> None:
    """Nobody goes there, least of all with the session."""
    with FakeBroker(ALICE) as elsewhere:
        place.broker.answer_with(MINT, status, b"", {"Location": elsewhere.url + MINT}, times=MANY)
        assert_both_refuse(
            place,
            1,
            f"the broker at {place.broker.url} answered with a redirect (status {status})",
            "redirects are not followed",
        )
        assert elsewhere.requests == []
    assert place.sts.requests == []


def test_a_broker_that_is_down(place: Place) -> None:
    """What was looked for, and where."""
    with refusing_port() as url:
        place.tables["identities"]["me"]["url"] = url
        place.configure()
        place.broker.requests.clear()
        assert_both_refuse(
            place,
            3,
            f"the session kept is for {place.broker.url}, not for {url}",
            "run: agentkeys login",
        )
        place.home.run("agentkeys", "login", "--session-stdin", stdin=place.sessions[0])
        assert_both_refuse(
            place,
            1,
            f"nothing answers at {url.removeprefix('http://')}",
            "see whether the service is running",
        )
    assert place.broker.requests == []
    assert place.sts.requests == []


# its tokens

TOKENS = {
    "signed with a shared secret": ("is signed with HS256, which proves nothing", "the issuer"),
    "not signed": ("is not a JWT of three segments", "the issuer"),
    "signature cut off": ("is not a JWT of three segments", "the issuer"),
    "without tags": ("carries no session tags, so nothing would confine", "aws.amazon.com/tags"),
    "with tags as text": ("session tag 'agentkeys_user_wallet' is not one plain value", "exactly"),
    "with two values for a tag": ("is not one plain value", "exactly one"),
    "with an empty tag": ("is not one plain value", "exactly one"),
    "with another's tag": ("disagree about agentkeys_user_wallet", "the broker's operator"),
    "with an empty wallet": ("agentkeys_user_wallet is empty", "too old for this kind of login"),
    "with another's wallet": ("belongs to another identity than the session", "log in again"),
    "with a wildcard for a wallet": ("agentkeys_user_wallet is malformed", "the broker is too old"),
    "with a path for a wallet": ("agentkeys_user_wallet is malformed", "the broker is too old"),
    "with a line's end after the wallet": (
        "'sub' claim with characters that do not print",
        "ask whoever runs the issuer",
    ),
    "with another's omni": ("belongs to another identity than the session", "log in again"),
    "with the shared omni": ("the omni that every user without a wallet shares", "with a wallet"),
    "for another audience": (
        "the token is for vault.example.com, not for sts.amazonaws.com",
        "set the identity's audience",
    ),
    "by another issuer": ("issuer is 'https://evil.example.com'", "log in again"),
    "expired": ("has already expired", "check this machine's clock"),
    "without an expiry": ("has no expiry", "the issuer"),
}


@pytest.mark.parametrize(("how", "words"), TOKENS.items(), ids=TOKENS)
def test_a_token_that_must_not_be_used(place: Place, how: str, words: tuple[str, str]) -> None:
    """Why is said, and what to do; the store is never shown it."""
    token = mismade_jwt(how, place.broker.web_identity_claims())
    place.broker.answer_with(MINT, 200, {"jwt": token}, times=MANY)
    assert_both_refuse(place, 1, *words)
    assert place.sts.requests == []


PINS = {
    "another wallet": (
        {"expect_wallet": BOB.wallet},
        f"the profile data is for {BOB.wallet}, but {ALICE.wallet} is logged in",
    ),
    "another subject": (
        {"expect_subject": f"agentkeys:agent:{BOB.wallet}"},
        f"the profile data is for agentkeys:agent:{BOB.wallet},"
        f" but agentkeys:agent:{ALICE.wallet} is logged in",
    ),
    "a wallet where the user has none": (
        {"expect_wallet": CAROL.omni},
        f"the profile data is for {CAROL.omni}, but {ALICE.wallet} is logged in",
    ),
}


@pytest.mark.parametrize(("pin", "error"), PINS.values(), ids=PINS)
def test_a_profile_that_is_pinned_to_somebody_else(
    place: Place, pin: dict[str, str], error: str
) -> None:
    """Both are named; the store never hears of it."""
    place.tables["profiles"]["data"] = place.sound_profile(**pin)
    place.configure()
    assert_both_refuse(place, 1, error, "run: agentkeys login me, as ")
    assert place.sts.requests == []


@pytest.mark.parametrize("store", STORES)
def test_a_claim_that_is_not_there(home: Home, store: str) -> None:
    """A profile that relies on it is refused at every kind of store."""
    with place_in(home, store=store) as place:
        place.tables["profiles"]["data"]["confine"] = "claim:preferred_username"
        place.configure()
        assert_both_refuse(
            place, 1, "the token has no preferred_username claim", "make the issuer add it"
        )
        assert place.sts.requests == []


# the store

BOMB = (
    b'<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;">'
    b'<!ENTITY c "&b;&b;&b;&b;&b;&b;">]><AssumeRoleWithWebIdentityResponse>&c;'
    b"</AssumeRoleWithWebIdentityResponse>"
)
READS_A_FILE = (
    b'<!DOCTYPE x [<!ENTITY file SYSTEM "file:///etc/passwd">]>'
    b"<ErrorResponse><Error><Code>AccessDenied</Code><Message>&file;</Message></Error>"
    b"</ErrorResponse>"
)


def _good(place: Place) -> bytes:
    expires_at = place.sts.clock.now() + timedelta(hours=1)
    return success_body(place.sts.store, number=1, expires_at=expires_at)


def _changed(old: bytes, new: bytes) -> Callable[[Place], bytes]:
    """A good answer with one thing in it changed."""

    def change(place: Place) -> bytes:
        good = _good(place)
        assert old in good
        return good.replace(old, new)

    return change


def _same(body: bytes) -> Callable[[Place], bytes]:
    return lambda _place: body


_ELSEWHERE = "see whether the STS endpoint (sts_endpoint) is the store's"

ANSWERS: dict[str, tuple[Callable[[Place], bytes], str, str]] = {
    "a web page": (_same(PAGE), "status 200 and a document ", _ELSEWHERE),
    "nothing": (_same(b""), "a document malformed at line 1", _ELSEWHERE),
    "JSON": (_same(b'{"AccessKeyId": "x"}'), "a document malformed at line 1", _ELSEWHERE),
    "half an answer": (
        lambda place: _good(place)[:-10],
        "a document malformed at line 1",
        _ELSEWHERE,
    ),
    "of another kind": (_same(b"<ListBucketResult/>"), "a document of another kind", _ELSEWHERE),
    "of another call": (
        _changed(b"AssumeRoleWithWebIdentityResponse", b"GetCallerIdentityResponse"),
        "a document of another kind",
        _ELSEWHERE,
    ),
    "too long": (_same(b"<a>" + b"x" * 140_000 + b"</a>"), "a document too long", _ELSEWHERE),
    "much too long": (
        _same(b"<a>" + b"x" * 300_000 + b"</a>"),
        "answered with more than 262144 bytes",
        "see whether the configured URL is that of the service",
    ),
    "growing entities": (_same(BOMB), "with a document type declaration", _ELSEWHERE),
    "reading a file": (_same(READS_A_FILE), "with a document type declaration", _ELSEWHERE),
    "in UTF-16": (_same("<a/>".encode("utf-16")), "a document not in UTF-8", _ELSEWHERE),
    "without a secret": (
        _changed(b"<SecretAccessKey>secret-1</SecretAccessKey>", b""),
        "without a usable SecretAccessKey",
        _ELSEWHERE,
    ),
    "without a session token": (
        _changed(b"<SessionToken>session-1</SessionToken>", b"<SessionToken/>"),
        "without a usable SessionToken",
        _ELSEWHERE,
    ),
    "a key with a line's end": (
        _changed(b"ASIA0000000000000001", b"ASIA\n"),
        "without a usable AccessKeyId",
        _ELSEWHERE,
    ),
    "two credentials": (
        _changed(b"<Credentials>", b"<Credentials/><Credentials>"),
        "with more than one Credentials",
        _ELSEWHERE,
    ),
    "without an end": (
        _changed(b"<Expiration>", b"<Expiration>never "),
        "without a usable Expiration",
        _ELSEWHERE,
    ),
    "already expired": (
        _same(success_body("aws", number=1, expires_at=datetime(2001, 9, 9, tzinfo=UTC))),
        "STS gave credentials that expired at 2001",
        "compare this machine's clock with the store's",
    ),
}


@pytest.mark.parametrize(("body", "error", "hint"), ANSWERS.values(), ids=ANSWERS)
def test_a_store_whose_answer_is_none(
    place: Place, body: Callable[[Place], bytes], error: str, hint: str
) -> None:
    """Half credentials, or a page that looks like success, never reach a program."""
    for _ in range(MANY):
        place.sts.answer_with(200, body(place))
    assert_both_refuse(place, 1, error, hint)


@pytest.mark.parametrize("store", STORES)
def test_a_role_that_must_not_be_assumed(home: Home, store: str) -> None:
    """The role and the store's code are named, and the audience that it may be about."""
    with place_in(home, store=store) as place:
        for _ in range(MANY):
            place.sts.refuse_with(403, "AccessDenied", "Not authorized to perform it")
        assert_both_refuse(
            place,
            1,
            "STS refused to assume arn:aws:iam::111122223333:role/data (AccessDenied)",
            '; the token is for "sts.amazonaws.com", expected is "sts.amazonaws.com"',
        )


@pytest.mark.parametrize("store", STORES)
def test_a_store_that_finds_every_token_expired(home: Home, store: str) -> None:
    """A second token is tried, and no third."""
    with place_in(home, store=store) as place:
        for _ in range(MANY):
            place.sts.refuse_with(400, "ExpiredTokenException", "it has expired")
        assert_both_refuse(place, 1, "(ExpiredTokenException)", "get a new token")
        assert len(place.sts.requests) <= 4


def test_a_store_that_repeats_the_token(place: Place) -> None:
    """It goes no further, and neither do characters that a terminal acts upon."""
    token = place.broker.session_jwt()
    for _ in range(MANY):
        place.sts.answer_with(
            400, refusal_body("aws", "InvalidIdentityToken", f"bad &#10; token {token}")
        )
    assert_both_refuse(place, 1, "(InvalidIdentityToken)", "get a new token")


@pytest.mark.parametrize(
    ("status", "body"), [(500, PAGE), (502, PAGE), (503, b""), (429, refusal_body("aws", "Slow"))]
)
def test_a_store_that_is_busy(place: Place, status: int, body: bytes) -> None:
    """One that asks for more time than anybody waits is told at once."""
    for _ in range(MANY):
        place.sts.answer_with(status, body, {"Retry-After": "3600"})
    assert_both_refuse(place, 1, "STS cannot ", "wait a moment and ask again")
    assert len(place.sts.requests) <= 2


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_store_that_sends_elsewhere(place: Place, status: int) -> None:
    """Nobody goes there with the token."""
    with FakeSts() as elsewhere:
        for _ in range(MANY):
            place.sts.answer_with(status, b"", {"Location": elsewhere.url})
        assert_both_refuse(
            place,
            1,
            f"STS answered with a redirect (status {status})",
            "redirects are not followed: set the STS endpoint (sts_endpoint) to where this one",
        )
        assert elsewhere.requests == []


def test_a_store_that_is_down(place: Place) -> None:
    """What was looked for, and where."""
    with refusing_port() as url:
        place.tables["stores"]["lab"]["sts_endpoint"] = url
        place.configure()
        assert_both_refuse(
            place,
            1,
            f"STS gave no answer: nothing answers at {url.removeprefix('http://')}",
            "see whether the service is running",
        )


def test_a_region_that_is_none(place: Place) -> None:
    """Where the store's address is made of it."""
    place.tables["profiles"]["data"] = place.sound_profile(store="aws", region="mars/../x")
    place.configure()
    assert_both_refuse(place, 1, "region is not a region: 'mars/../x'", 'write it like "us-east-1"')


def test_after_all_of_that_it_works(place: Place) -> None:
    """No failure is left behind once its reason is gone."""
    shim, run = place.run_programs()
    assert (shim.status, shim.stderr) == (0, "")
    assert (run.status, run.stderr) == (0, "")
    (place.home.work / "ran").unlink()
