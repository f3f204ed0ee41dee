"""The doctor's fault table, last part: what is wrong with a real keyring."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.support.diagnosing import diagnose
from tests.support.place import place_in
from tests.support.programs import Home
from tests.support.published_keys import publish_keys
from tests.system.secret_service import SecretService


def test_a_keyring_that_works_is_named(bus: SecretService, home: Home) -> None:
    """And what it is good for."""
    bus.start_keyring(password="pw")
    home.succeed("agentkeys", "daemon", "start")
    with place_in(home, store="seaweedfs") as place:
        found = diagnose(home, sessions=place.sessions)
    assert found.steps["keyring"]["outcome"] == "ok"
    assert found.steps["keyring"]["facts"]["kind"] == "secret-service"


def test_without_a_keyring_the_login_ends_with_the_daemon(bus: SecretService, home: Home) -> None:
    """A warning, with what to start."""
    home.succeed("agentkeys", "daemon", "start")
    with place_in(home, store="seaweedfs") as place:
        found = diagnose(home, sessions=place.sessions)
    assert ("keyring", "warning", "vault_in_memory") in found.complaints
    assert "no OS keyring answers here" in found.said("keyring")


FAULTS: dict[str, tuple[Callable[[SecretService], None], str, int]] = {
    "locked": (SecretService.lock, "vault_locked", 3),
    "hanging": (SecretService.pause, "vault_unavailable", 1),
}


@pytest.mark.parametrize(("damage", "code", "status"), FAULTS.values(), ids=FAULTS)
def test_a_keyring_in_trouble_is_told(
    bus: SecretService,
    home: Home,
    damage: Callable[[SecretService], None],
    code: str,
    status: int,
) -> None:
    """By a daemon that has just started, and finds the login out of reach."""
    bus.start_keyring(password="pw")
    home.succeed("agentkeys", "daemon", "start")
    with place_in(home, store="seaweedfs") as place:
        publish_keys(place.broker)
        home.succeed("agentkeys", "daemon", "stop")
        damage(bus)
        found = diagnose(home, sessions=place.sessions)
        bus.resume()
    # The ledger's head is kept in the keyring as well, and it tells so once it has tried.
    told = [entry for entry in found.complaints if entry[0] not in ("memory", "ledger")]
    assert told == [("keyring", "failed", code), ("session", "failed", code)], found
    assert found.status == status
    assert found.steps["role"]["outcome"] == "skipped"
