"""The daemon and a real keyring: what `forget` and `logout` leave in it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.place import SHIM, Place, place_in
from tests.support.programs import Home
from tests.system.secret_service import SecretService


@pytest.fixture
def home(home: Home, keyring: SecretService) -> Home:
    """A home whose daemon keeps sessions and leases in that keyring."""
    home.succeed("agentkeys", "daemon", "start")
    return home


@pytest.fixture
def place(home: Home) -> Iterator[Place]:
    """Two people are logged in, as `me` and as `you`, each with a lease; no daemon runs."""
    with place_in(home) as found:
        found.tables["default_profile"] = "data"
        found.tables["identities"]["you"] = found.tables["identities"]["me"]
        found.tables["profiles"]["yours"] = found.sound_profile(identity="you")
        found.configure()
        found.log_in(identity="you")
        for profile in ("data", "yours"):
            assert found.through(SHIM, profile).served
        home.succeed("agentkeys", "daemon", "stop")
        yield found


def keys(place: Place) -> list[str | None]:
    return [place.through(SHIM, profile).key for profile in ("data", "yours")]


def test_what_is_kept_is_forgotten_though_no_daemon_runs(place: Place) -> None:
    """All of it, the sessions apart, and it says until when what an earlier daemon gave lives."""
    place.home.succeed("agentkeys", "daemon", "start")
    before = keys(place)
    place.home.succeed("agentkeys", "daemon", "stop")
    said = place.home.succeed("agentkeys", "forget")
    assert said.startswith("forgotten: data, yours\ncredentials already handed out live until ")
    place.home.succeed("agentkeys", "daemon", "restart")
    after = keys(place)
    assert None not in after
    assert not set(before) & set(after)


def test_a_named_profile_alone_is_forgotten(place: Place) -> None:
    """The other's lease is still in the keyring afterwards."""
    mints = len(place.sts.requests)
    place.home.succeed("agentkeys", "forget", "yours")
    place.home.succeed("agentkeys", "daemon", "restart")
    assert None not in keys(place)
    assert len(place.sts.requests) == mints + 1


def test_a_logout_without_a_daemon_tells_what_lives_on(place: Place) -> None:
    """Though it was an earlier daemon that handed it out."""
    said = place.home.succeed("agentkeys", "logout")
    assert said.startswith("logged out: me\ncredentials already handed out live until ")
    assert not place.through(SHIM).served


def test_a_locked_keyring_is_told(place: Place, keyring: SecretService) -> None:
    """Status 3: what it keeps is not forgotten, and nobody is to believe that it is."""
    keyring.lock()
    for argv in (["forget"], ["forget", "data"], ["logout"]):
        done = place.home.run("agentkeys", *argv)
        assert (done.status, done.stdout) == (3, "")
        assert "locked" in done.complaint()[0]
