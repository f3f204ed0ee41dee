"""Sessions that must not be kept, and identities that are not there.

Always one line what is wrong and one line what to do, nothing on stdout, and no secret.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import jwt
import pytest

from tests.support.place import SHIM, Place, assert_refused
from tests.support.programs import PATIENCE, Finished, Home
from tests.support.tokens import BOB, session_claims, sign


def log_in(home: Home, session: str | bytes) -> Finished:
    """`agentkeys login --session-stdin`, whatever is piped into it."""
    done = subprocess.run(
        [home.program("agentkeys"), "login", "--session-stdin"],
        input=session if isinstance(session, bytes) else session.encode(),
        env=home.environment,
        capture_output=True,
        timeout=PATIENCE,
        check=False,
    )
    return Finished(done.returncode, done.stdout.decode(), done.stderr.decode())


def _claiming(**changes: Any) -> Callable[[Place], str]:
    return lambda place: sign(
        {**session_claims(BOB, at=place.broker.clock.now()), **changes}, key="ak-session"
    )


def _of_somebody(**changes: Any) -> Callable[[Place], str]:
    def make(place: Place) -> str:
        claims = session_claims(BOB, at=place.broker.clock.now())
        claims["agentkeys"] |= changes
        return sign(claims, key="ak-session")

    return make


def _with_algorithm(algorithm: str, key: str) -> Callable[[Place], str]:
    return lambda place: jwt.encode(
        session_claims(BOB, at=place.broker.clock.now()), key, algorithm=algorithm
    )


BAD: dict[str, tuple[Callable[[Place], str | bytes], str, str]] = {
    "nothing": (lambda _: "", "holds no session JWT", "pipe the session_jwt of a login into it"),
    "blanks": (lambda _: " \n\t\n", "holds no session JWT", "pipe the session_jwt of a login"),
    "too much": (lambda _: "x" * 20_001, "holds no session JWT", "pipe the session_jwt of a login"),
    "garbage": (lambda _: "garbage", "is not a JWT of three segments", "at an agentKeys broker"),
    "bytes": (lambda _: b"\xff\xfe\x00\x80" * 9, "is not a JWT", "at an agentKeys broker"),
    "letters of elsewhere": (lambda _: "ä.ö.ü", "is not a JWT", "at an agentKeys broker"),
    "three parts of nothing": (lambda _: "a.b.c", "is not a JWT", "at an agentKeys broker"),
    "the whole answer of a login": (
        lambda place: json.dumps({"session_jwt": place.broker.session_jwt(BOB)}),
        "is not a JWT of three segments",
        "at an agentKeys broker",
    ),
    "two sessions": (
        lambda place: "\n".join([place.broker.session_jwt(BOB), place.broker.session_jwt(BOB)]),
        "is not a JWT of three segments",
        "at an agentKeys broker",
    ),
    "signed with a shared secret": (
        _with_algorithm("HS256", "s" * 32),
        "is signed with HS256, which proves nothing",
        "at an agentKeys broker",
    ),
    "not signed": (
        _with_algorithm("none", ""),
        "is not a JWT of three segments",
        "at an agentKeys broker",
    ),
    "a token for a store": (
        lambda place: sign(place.broker.web_identity_claims(BOB)),
        "the token is not an agentKeys broker session",
        "not a web identity token",
    ),
    "expired": (
        lambda place: place.broker.session_jwt(BOB, lifetime=timedelta(seconds=-1)),
        "that session has already expired",
        "log in again",
    ),
    "about to expire": (
        lambda place: place.broker.session_jwt(BOB, lifetime=timedelta(seconds=20)),
        "that session has already expired",
        "log in again",
    ),
    "without an end": (_claiming(exp=None), "the broker session has no expiry", "agentKeys broker"),
    "a text for its end": (
        _claiming(exp="tomorrow"),
        "the broker session ",
        "at an agentKeys broker",
    ),
    "an impossible end": (
        _claiming(exp=10**30),
        "the broker session has an impossible expiry",
        "at an agentKeys broker",
    ),
    "without an issuer": (
        _claiming(iss=None),
        "the token is not an agentKeys broker session",
        "pass the session JWT that a login gives",
    ),
    "without an account": (
        _of_somebody(omni_account=""),
        "the broker session names no omni account",
        "log in again",
    ),
    "a malformed account": (
        _of_somebody(omni_account="../" + "a" * 61),
        "the broker session's omni is malformed",
        "log in again",
    ),
    "a malformed wallet": (
        _of_somebody(wallet_address="*"),
        "the broker session's wallet is malformed",
        "log in again",
    ),
    "a wallet with a line's end": (
        _of_somebody(wallet_address=BOB.wallet + "\n"),
        "the broker session's wallet is malformed",
        "log in again",
    ),
    "a number for a wallet": (
        _of_somebody(wallet_address=7),
        "the broker session's wallet is malformed",
        "log in again",
    ),
}


def held(place: Place) -> list[dict[str, Any]]:
    """The sessions there are, whether the broker's clock has been looked at or not."""
    return [identity | {"clock_skew_seconds": None} for identity in place.status()["identities"]]


@pytest.mark.parametrize(("make", "error", "hint"), BAD.values(), ids=BAD)
def test_a_session_that_is_none_is_refused(
    place: Place, make: Callable[[Place], str | bytes], error: str, hint: str
) -> None:
    """The person has to act, and the session that was held before goes on."""
    session = make(place)
    before = held(place)
    seen = [session] if isinstance(session, str) else []
    assert_refused(log_in(place.home, session), 3, error, hint, seen)
    assert held(place) == before
    assert place.through("GET credentials").served


def test_a_closed_standard_input_is_told(place: Place) -> None:
    """As of a program that somebody starts without one."""
    program = place.home.program("agentkeys")
    done = place.home.run("sh", "-c", f"{program} login --session-stdin <&-")
    assert_refused(done, 3, "holds no session JWT", "pipe the session_jwt of a login into it")
    done = place.home.run("sh", "-c", f"{program} login <&-")
    assert_refused(done, 3, "no terminal to ask for an e-mail address at", "--session-stdin")


@pytest.mark.parametrize("command", ["login", "logout", "whoami"])
def test_an_identity_that_is_not_there_is_told(place: Place, command: str) -> None:
    """With the nearest one or all there are, whatever the name."""
    for name in ("mee", "me/session", "../me", "m e"):
        done = place.home.run("agentkeys", command, name)
        assert_refused(done, 1, f"there is no identity '{name}'", "me")


def test_two_ways_to_log_in_are_one_too_many(place: Place) -> None:
    """A mistake in the call, told before anything is read or sent."""
    done = place.home.run("agentkeys", "login", "--session-stdin", "--oauth2")
    assert_refused(done, 2, "--oauth2 and --session-stdin do not go together", "login --help")
    assert place.broker.requests == []


def test_nobody_logged_in_is_told(place: Place) -> None:
    """By every program, as something that the user can change."""
    place.log_out()
    shim, run = place.run_programs()
    words = ("nobody is logged in as me", "run: agentkeys login me")
    assert_refused(shim, 3, *words, place.sessions)
    assert_refused(run, 125, *words, place.sessions)
    assert_refused(place.home.run("agentkeys", "whoami"), 3, *words, place.sessions)
    assert place.broker.requests == []


def _log_in_for(place: Place, seconds: int) -> bool:
    session = place.broker.session_jwt(lifetime=timedelta(seconds=seconds))
    place.sessions.append(session)
    return log_in(place.home, session).status == 0


def test_a_session_that_has_run_out_is_told(place: Place) -> None:
    """It is shown to no broker any more."""
    assert place.through("GET credentials").served  # so that the broker has told its time
    place.broker.requests.clear()
    place.log_out()
    # A session counts as over half a minute early; on a slow machine its time may be up before
    # the daemon has even seen it.
    assert any(_log_in_for(place, 30 + seconds) for seconds in (2, 6, 20))
    while place.status()["identities"][0]["session"] == "live":
        pass
    shim, run = place.run_programs()
    words = ("the session of me has expired", "run: agentkeys login me")
    assert_refused(shim, 3, *words, place.sessions)
    assert_refused(run, 125, *words, place.sessions)
    assert place.broker.requests == []


def test_a_session_from_a_pipe_works(place: Place) -> None:
    """With blanks and a line's end around it, as pipes put them there."""
    place.log_out()
    done = log_in(place.home, f"  {place.broker.session_jwt(BOB)}\r\n")
    assert (done.status, done.stderr) == (0, "")
    assert f"logged in: me as {BOB.wallet}\n" in done.stdout
    assert place.home.run(SHIM).status == 0
