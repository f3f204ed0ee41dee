"""`agentkeys forget` and `logout`: what is dropped, what lives on, and what the next asker gets."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.place import (
    DOORS,
    EXEC,
    PROCESS_DOORS,
    REFRESH,
    ROLE,
    SHIM,
    Place,
    place_in,
)
from tests.support.programs import Home, new_home

SHARING = [door for door in DOORS if door != REFRESH]
"""Those that give everybody the profile's own lease."""
NONE_ALIVE = "no credentials that were handed out are alive\n"


@pytest.fixture(scope="module")
def home() -> Iterator[Home]:
    with new_home() as found:
        yield found


@pytest.fixture
def place(home: Home) -> Iterator[Place]:
    """Two profiles, `data` and `other`, of one identity; no lease is held."""
    home.succeed("agentkeys", "daemon", "start")
    with place_in(home) as found:
        found.tables["default_profile"] = "data"
        found.tables["profiles"]["other"] = found.sound_profile(role_arn=f"{ROLE}-other")
        found.configure()
        (home.state / "audit" / "ledger.jsonl").unlink()
        yield found


def served(place: Place, profile: str = "data", door: str = SHIM) -> str:
    """The access key that a door gives."""
    outcome = place.through(door, profile)
    assert outcome.served, outcome
    assert outcome.key
    return outcome.key


def expiration(place: Place, profile: str) -> str:
    document = json.loads(place.home.succeed(SHIM, "--profile", profile))
    return str(document["Expiration"])


def lives_on(until: str) -> str:
    return f"credentials already handed out live until {until}: a store cannot take them back\n"


def ledger(place: Place, event: str) -> list[dict[str, Any]]:
    text = (place.home.state / "audit" / "ledger.jsonl").read_text(encoding="utf-8")
    lines = [json.loads(line) for line in text.splitlines()]
    return [line for line in lines if line["event"] == event]


# the next asker


@pytest.mark.parametrize("door", SHARING)
def test_every_door_mints_anew_afterwards(place: Place, door: str) -> None:
    """Once, and serves that from then on."""
    first = served(place, door=door)
    place.home.succeed("agentkeys", "forget")
    second = served(place, door=door)
    assert second != first
    assert served(place, door=door) == second
    assert len(place.sts.requests) == 2


@pytest.mark.parametrize("door", SHARING)
def test_every_door_fails_closed_when_nothing_can_be_minted(place: Place, door: str) -> None:
    """What was forgotten is not served once more because the session is dead."""
    served(place, door=door)
    place.broker.end_session(place.sessions[-1])
    assert place.through(door).served
    place.home.succeed("agentkeys", "forget", "data")
    for _ in range(2):
        outcome = place.through(door)
        assert not outcome.served
        assert not outcome.holds_credentials


@pytest.mark.parametrize("door", PROCESS_DOORS)
def test_what_failed_is_tried_again_at_once(place: Place, door: str) -> None:
    """The memory of a failure is forgotten as well."""
    place.sts.refuse_with(403, "AccessDenied")
    assert not place.through(door).served
    assert not place.through(door).served
    assert len(place.sts.requests) == 1
    place.home.succeed("agentkeys", "forget")
    assert place.status()["profiles"][0]["last_error"] is None
    served(place, door=door)


# which leases


def test_a_named_profile_alone_is_forgotten(place: Place) -> None:
    """The others keep theirs, whichever is the default and whatever AGENTKEYS_PROFILE says."""
    data, other = served(place), served(place, "other")
    said = place.home.succeed("agentkeys", "forget", "other", env={"AGENTKEYS_PROFILE": "data"})
    assert said.startswith("forgotten: other\n")
    assert served(place) == data
    assert served(place, "other") != other


@pytest.mark.parametrize("profile", [None, "other", "unknown"])
def test_without_a_name_all_are_forgotten(place: Place, profile: str | None) -> None:
    """AGENTKEYS_PROFILE makes no difference; who is logged in stays so."""
    data, other = served(place), served(place, "other")
    env = {"AGENTKEYS_PROFILE": profile} if profile else {}
    said = place.home.succeed("agentkeys", "forget", env=env)
    assert said.startswith("forgotten: data, other\n")
    assert place.status()["identities"][0]["session"] == "live"
    assert {profile["state"] for profile in place.status()["profiles"]} == {"none"}
    assert not {data, other} & {served(place), served(place, "other")}


def test_an_unknown_profile_is_an_error(place: Place) -> None:
    """And nothing is forgotten."""
    key = served(place)
    done = place.home.run("agentkeys", "forget", "dta")
    assert (done.status, done.stdout) == (1, "")
    assert done.complaint() == ("there is no profile 'dta'", "did you mean data?")
    assert served(place) == key


@pytest.mark.parametrize("command", ["forget", "logout"])
def test_an_empty_name_is_a_mistake(place: Place, command: str) -> None:
    """It comes from an unset shell variable, and must not mean everything."""
    key = served(place)
    done = place.home.run("agentkeys", command, "")
    assert (done.status, done.stdout) == (2, "")
    assert "it is empty" in done.complaint()[0]
    assert served(place) == key


# what it says


@pytest.mark.parametrize(
    ("argv", "profile"),
    [(["forget"], "other"), (["forget", "data"], "data"), (["logout"], "other")],
)
def test_it_says_until_when_what_was_handed_out_lives(
    place: Place, argv: list[str], profile: str
) -> None:
    """The latest of what was dropped; a store cannot take it back, however often one asks."""
    place.tables["profiles"]["data"]["duration"] = "30m"
    place.configure()
    until = {name: expiration(place, name) for name in ("data", "other")}[profile]
    for _ in range(2):
        assert place.home.succeed("agentkeys", *argv).endswith(f"\n{lives_on(until)}")
        answer = json.loads(place.home.succeed("agentkeys", *argv, "--json"))
        assert answer["credentials_live_until"] == until


@pytest.mark.parametrize("argv", [["forget"], ["forget", "data"], ["logout"]], ids=" ".join)
def test_it_says_when_nothing_that_was_handed_out_is_alive(place: Place, argv: list[str]) -> None:
    """Such as when nobody has asked yet."""
    said = place.home.succeed("agentkeys", *argv)
    assert said.endswith(f"\n{NONE_ALIVE}")
    assert said.count("\n") == 2


def test_as_json_it_names_the_profiles(place: Place) -> None:
    """One of them, or all."""
    answer = json.loads(place.home.succeed("agentkeys", "forget", "other", "--json"))
    assert answer == {"version": 1, "profiles": ["other"], "credentials_live_until": None}
    answer = json.loads(place.home.succeed("agentkeys", "forget", "--json"))
    assert answer == {"version": 1, "profiles": ["data", "other"], "credentials_live_until": None}


def test_it_stands_in_the_ledger(place: Place) -> None:
    """With the profile that was named and who asked; without one, once for each identity."""
    served(place)
    place.home.succeed("agentkeys", "forget", "data")
    place.home.succeed("agentkeys", "forget")
    named, everything = ledger(place, "forget")
    assert (named["profile"], named["identity"], named["outcome"]) == ("data", "me", "ok")
    assert (everything["profile"], everything["identity"]) == (None, "me")
    assert {named["cwd"], everything["cwd"]} == {str(place.home.work)}
    assert len(ledger(place, "mint")) == 1


# a daemon that does not run


def test_without_a_daemon_it_is_done_all_the_same(place: Place) -> None:
    """There is nothing left afterwards, whatever a keyring may have kept."""
    served(place)
    place.home.succeed("agentkeys", "daemon", "stop")
    assert place.home.succeed("agentkeys", "forget") == f"forgotten: data, other\n{NONE_ALIVE}"
    assert not place.through(EXEC).holds_credentials


def test_without_a_configuration_there_is_nothing_to_forget(place: Place) -> None:
    """No error: a script that cleans up need not ask first."""
    place.home.config.unlink()
    assert place.home.succeed("agentkeys", "forget") == f"no profile is configured\n{NONE_ALIVE}"
