"""No door ever serves credentials that are untagged or belong to another identity.

Doors are all ways by which credentials leave the daemon: the shim under both of its names, `exec`,
the endpoint, and the two requests on the socket that these make.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tests.fakes.broker import MINT, FakeBroker
from tests.fakes.sts import FakeSts
from tests.support.place import DOORS, EXEC, REFRESH, SOCKET_DOORS, Outcome, Place, place_in
from tests.support.programs import Home
from tests.support.runs import running
from tests.support.tokens import ALICE, BOB, CAROL, MISMADE, User, mismade_jwt, sign

MANY = 100_000
STORES = ("aws", "minio", "ceph", "seaweedfs")


@pytest.fixture
def place(home: Home) -> Iterator[Place]:
    """ALICE is logged in, at a broker that knows BOB and CAROL too."""
    with place_in(home, ALICE, BOB, CAROL) as found:
        yield found


def hand_out(place: Place, token: str) -> None:
    """From now on the broker gives everybody this token."""
    place.broker.answer_with(MINT, 200, {"jwt": token}, times=MANY)


def through_all(place: Place, profile: str = "data") -> dict[str, Outcome]:
    """What every door gives, each to its first caller."""
    return {door: _first_through(place, door, profile) for door in DOORS}


def through_the_socket(place: Place, profile: str = "data") -> dict[str, Outcome]:
    """The same without starting programs."""
    return {door: _first_through(place, door, profile) for door in SOCKET_DOORS}


def _first_through(place: Place, door: str, profile: str) -> Outcome:
    place.start_over()
    return place.through(door, profile)


def assert_nothing(outcomes: dict[str, Outcome]) -> None:
    for door, outcome in outcomes.items():
        assert not outcome.served, (door, outcome)
        assert not outcome.holds_credentials, (door, outcome)


def assert_all_serve(outcomes: dict[str, Outcome], key: str | None) -> None:
    """One key, but for the door whose programs have leases of their own."""
    assert key
    keys = {door: outcome.key for door, outcome in outcomes.items()}
    assert keys.pop(REFRESH, "its own") not in (key, None)
    assert keys == dict.fromkeys(keys, key)


# tokens that confine nobody, or somebody else


@pytest.mark.parametrize("how", MISMADE)
def test_a_mismade_token_is_never_traded(place: Place, how: str) -> None:
    """Through no door: the store gets no call and nothing is served."""
    hand_out(place, mismade_jwt(how, place.broker.web_identity_claims()))
    assert_nothing(through_all(place))
    assert place.sts.requests == []
    assert place.broker.mints >= len(DOORS)


def test_a_program_that_runs_already_gets_nothing_either(place: Place) -> None:
    """A good token let it begin; once that lease is gone, the endpoint trades no other for it."""
    with running(place.home, "--refresh") as program:
        calls = len(place.sts.requests)
        for how in MISMADE:
            place.home.succeed("agentkeys", "forget")
            hand_out(place, mismade_jwt(how, place.broker.web_identity_claims()))
            answer = program.fetch()
            assert_nothing({how: Outcome(answer.status == 200, answer.body.decode())})
            place.broker.forget_answers()
        assert len(place.sts.requests) == calls


@pytest.mark.parametrize("store", STORES)
@pytest.mark.parametrize("confine", [None, "claim:sub", "role"])
def test_it_does_not_matter_how_a_store_confines(
    home: Home, store: str, confine: str | None
) -> None:
    """Not even a profile whose role is one user's own gets credentials from such a token."""
    with place_in(home, ALICE, BOB, store=store) as place:
        place.tables["profiles"]["data"] = place.sound_profile(confine=confine)
        place.configure()
        for how in MISMADE:
            token = mismade_jwt(how, place.broker.web_identity_claims())
            place.broker.mint_next(token)
            place.start_over()
            assert_nothing({how: place.through("GET credentials")})
        assert place.broker.mints == len(MISMADE)
        assert place.sts.requests == []


def test_a_users_prefix_is_made_of_nothing_but_their_own_claims(place: Place) -> None:
    """A run whose place cannot be told gets no credentials at all."""
    place.tables["profiles"]["data"] = place.sound_profile(prefix="bots/{claim:team}/")
    place.configure()
    assert_nothing({"POST runs": place.through("POST runs")})


def test_many_at_once_get_nothing_either(place: Place) -> None:
    """However many wait for the same bad token."""
    hand_out(place, mismade_jwt("with another's wallet", place.broker.web_identity_claims()))
    doors = list(SOCKET_DOORS) * 50
    with ThreadPoolExecutor(len(doors)) as pool:
        with place.broker.stuck():
            waiting = [pool.submit(place.through, door) for door in doors]
            place.broker.wait_for_request()
        assert_nothing({str(number): done.result() for number, done in enumerate(waiting)})
    assert place.sts.requests == []


def test_a_second_token_is_checked_like_the_first(place: Place) -> None:
    """A store that refuses a good token makes a new one be fetched; that one is shown no trust."""
    claims = place.broker.web_identity_claims()
    for door in SOCKET_DOORS:
        place.start_over()
        calls = len(place.sts.requests)
        place.sts.refuse_with(400, "ExpiredTokenException")
        place.broker.mint_next(sign(claims))
        place.broker.mint_next(mismade_jwt("with another's wallet", claims))
        assert_nothing({door: place.through(door)})
        assert len(place.sts.requests) == calls + 1


# somebody else logs in, or nobody is left


@pytest.mark.parametrize(
    "somebody",
    [
        pytest.param(BOB, id="another wallet"),
        pytest.param(CAROL, id="no wallet"),
        pytest.param(replace(ALICE, omni="a" * 64), id="the same wallet, another account"),
    ],
)
def test_after_another_login_nothing_of_the_first_user_is_served(
    place: Place, somebody: User
) -> None:
    """Not while the broker is away, and not after it is back."""
    first = place.through("GET credentials")
    assert first.served
    place.log_in(somebody)
    place.broker.refuse_with(MINT, 403, "forbidden")
    assert_nothing({"GET credentials": place.through("GET credentials")})
    place.start_over()
    outcomes = through_all(place)
    assert_all_serve(outcomes, outcomes["POST runs"].key)
    assert first.key not in {outcome.key for outcome in outcomes.values()}
    for door in ("POST runs", EXEC, REFRESH):
        assert somebody.subject in outcomes[door].text
    # Coming back is a new login as well: what was forgotten stays so.
    place.log_in(ALICE)
    assert place.through("GET credentials").key not in (first.key, outcomes["POST runs"].key)


def test_a_new_login_of_the_same_user_keeps_their_leases(place: Place) -> None:
    """Nothing changes for programs that run."""
    first = place.through("GET credentials")
    place.log_in(ALICE)
    assert place.through("GET credentials") == first
    assert len(place.sts.requests) == 1


def test_after_logout_nothing_is_served(place: Place) -> None:
    """Through any door, and neither broker nor store is asked."""
    assert place.through("GET credentials").served
    place.log_out()
    place.broker.requests.clear()
    assert_nothing(through_all(place))
    assert place.broker.requests == []
    assert len(place.sts.requests) == 1


def _log_in_as_bob(place: Place) -> None:
    place.log_in(BOB)


def _log_in_as_another_account(place: Place) -> None:
    place.log_in(replace(ALICE, omni="a" * 64))


def _log_out(place: Place) -> None:
    place.log_out()


@pytest.mark.parametrize("door", SOCKET_DOORS)
@pytest.mark.parametrize("stuck", ["broker", "sts"])
@pytest.mark.parametrize("change", [_log_in_as_bob, _log_in_as_another_account, _log_out])
def test_a_mint_under_way_answers_for_nobody_else(
    place: Place, door: str, stuck: str, change: Callable[[Place], None]
) -> None:
    """Whoever logs in or out meanwhile: its credentials are dropped, not kept and not served."""
    slow: FakeBroker | FakeSts = getattr(place, stuck)
    with ThreadPoolExecutor(1) as pool:
        with slow.stuck():
            waiting = pool.submit(place.through, door)
            slow.wait_for_request()
            change(place)
        assert_nothing({door: waiting.result()})
    calls = len(place.sts.requests)
    if change is _log_out:
        assert_nothing(through_the_socket(place))
        assert len(place.sts.requests) == calls
    else:
        assert place.through("GET credentials").served
        assert len(place.sts.requests) == calls + 1


# what is held for one profile, asked for by another


def _identity_for_another_audience(place: Place) -> None:
    place.tables["identities"]["me"]["audience"] = "vault.example.com"


def _identity_at_another_broker(place: Place) -> None:
    place.tables["identities"]["me"]["url"] = "http://127.0.0.1:1"


def _identity_of_another_name(place: Place) -> None:
    place.tables["identities"]["you"] = place.tables["identities"].pop("me")
    place.tables["profiles"]["data"]["identity"] = "you"


def _other(**changes: Any) -> Callable[[Place], None]:
    def change(place: Place) -> None:
        place.tables["profiles"]["data"] = place.sound_profile(**changes)

    return change


REFUSED = {
    "another audience": _identity_for_another_audience,
    "another broker": _identity_at_another_broker,
    "another identity": _identity_of_another_name,
    "a claim that the token lacks": _other(confine="claim:preferred_username"),
    "a pin to another wallet": _other(expect_wallet=BOB.wallet),
    "a pin to another subject": _other(expect_subject=f"agentkeys:agent:{BOB.wallet}"),
}


@pytest.mark.parametrize("change", REFUSED.values(), ids=REFUSED)
def test_a_held_lease_is_not_served_where_a_new_one_would_be_refused(
    place: Place, change: Callable[[Place], None]
) -> None:
    """The profile has changed since; the store is not asked again, and nothing is served."""
    assert place.through("GET credentials").served
    change(place)
    place.configure()
    assert_nothing(through_all(place))
    assert len(place.sts.requests) == 1


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"role_arn": "arn:aws:iam::111122223333:role/other"}, id="role"),
        pytest.param({"duration": "30m"}, id="duration"),
        pytest.param({"confine": "claim:agentkeys_user_wallet"}, id="confinement"),
        pytest.param({"store": "other"}, id="store"),
    ],
)
def test_profiles_that_differ_share_no_lease(place: Place, changes: dict[str, str]) -> None:
    """The other one gets credentials of its own, made as it says."""
    with FakeSts() as other:
        place.tables["stores"]["other"] = {"kind": "aws", "sts_endpoint": other.url}
        place.tables["profiles"]["other"] = place.sound_profile(**changes)
        place.configure()
        first = place.through("GET credentials")
        second = place.through("GET credentials", "other")
        assert first.served
        assert second.served
        last = (other if "store" in changes else place.sts).requests[-1]
        assert len(place.sts.requests) + len(other.requests) == 2
        if "role_arn" in changes:
            assert last.form["RoleArn"] == changes["role_arn"]
        if "duration" in changes:
            assert last.form["DurationSeconds"] == "1800"
        # Each stays with its own.
        assert through_the_socket(place)["GET credentials"] == first
        assert through_the_socket(place, "other")["GET credentials"] == second
        assert len(place.sts.requests) + len(other.requests) == 2


def test_two_identities_side_by_side_never_mix(place: Place) -> None:
    """Whoever asks, in whatever order, for however long."""
    place.tables["identities"]["bob"] = dict(place.tables["identities"]["me"])
    place.tables["profiles"]["bobs"] = place.sound_profile(identity="bob")
    place.configure()
    place.log_in(BOB, identity="bob")
    wanted = ["data", "bobs"] * 40
    with ThreadPoolExecutor(16) as pool:
        outcomes = list(pool.map(lambda profile: place.through("POST runs", profile), wanted))
    keys = {"data": set[str | None](), "bobs": set[str | None]()}
    for profile, outcome in zip(wanted, outcomes, strict=True):
        own, others = (ALICE, BOB) if profile == "data" else (BOB, ALICE)
        assert outcome.served
        assert f"AGENTKEYS_S3_PREFIX=bots/{own.wallet}/" in outcome.text
        assert others.wallet not in outcome.text
        keys[profile].add(outcome.key)
    assert [len(own) for own in keys.values()] == [1, 1]
    assert keys["data"] != keys["bobs"]
    assert len(place.sts.requests) == 2


# a broker that turns bad once a lease is held


@contextmanager
def short_lived(place: Place) -> Iterator[None]:
    """A store whose credentials are refreshed after two seconds and over after five."""
    with FakeSts(longest=timedelta(seconds=5)) as sts:
        place.sts = sts
        place.tables["stores"]["lab"]["sts_endpoint"] = sts.url
        place.configure()
        yield


def test_a_bad_token_at_refresh_never_replaces_what_is_held(place: Place) -> None:
    """What is held is served to its end, and then nothing is."""
    with short_lived(place):
        first = place.through("GET credentials")
        assert first.served
        hand_out(place, mismade_jwt("with another's wallet", place.broker.web_identity_claims()))
        mints = place.broker.mints
        while (outcome := place.through("GET credentials")).served:
            assert outcome == first
        assert_nothing(through_the_socket(place))
        assert place.broker.mints > mints
        assert len(place.sts.requests) == 1


def test_a_login_that_fails_leaves_the_user_who_was_there(place: Place) -> None:
    """Garbage in place of a session neither logs out nor in."""
    first = place.through("GET credentials")
    assert place.hand_over("garbage").error()["code"] == "login_failed"
    assert_all_serve(through_the_socket(place), first.key)


def test_a_session_of_another_broker_is_not_taken(place: Place) -> None:
    """It would be shown to the one that is configured."""
    first = place.through("GET credentials")
    session = place.broker.session_jwt(BOB)
    error = place.hand_over(session, url="https://broker.example.com").error()
    assert error["code"] == "login_failed"
    assert_all_serve(through_the_socket(place), first.key)
