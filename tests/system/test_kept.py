"""The daemon and a real keyring: what is kept, and what a locked one means."""

from __future__ import annotations

import json

import pytest

from tests.support.programs import Home
from tests.system.secret_service import SecretService


@pytest.fixture
def home(home: Home, keyring: SecretService) -> Home:
    """A home whose daemon finds that keyring, and a sandbox."""
    started = home.run("agentkeys", "sandbox", "start")
    assert started.status == 0, started
    return home


def test_a_restarted_daemon_serves_what_was_kept(home: Home) -> None:
    """The very same credentials, without a login and without a mint."""
    first = home.succeed("agentkeys-credential-process")
    home.succeed("agentkeys", "daemon", "stop")
    assert home.succeed("agentkeys-credential-process") == first
    home.succeed("agentkeys", "daemon", "restart")
    assert home.succeed("agentkeys-credential-process") == first
    ledger = (home.state / "audit" / "ledger.jsonl").read_text()
    events = [json.loads(line)["event"] for line in ledger.splitlines()]
    assert (events.count("login"), events.count("mint")) == (1, 1)


def test_nothing_of_it_is_on_disk_outside_the_keyring(home: Home) -> None:
    """Neither the secret key nor the session token stands in any file of ours."""
    document = json.loads(home.succeed("agentkeys-credential-process"))
    home.succeed("agentkeys", "daemon", "stop")
    ours = [path for path in home.state.rglob("*") if path.is_file() and "store" not in path.parts]
    assert ours
    for path in ours:
        content = path.read_bytes()
        assert document["SecretAccessKey"].encode() not in content, path
        assert document["SessionToken"].encode() not in content, path


def test_a_locked_keyring_is_told_and_not_taken_for_an_empty_one(
    home: Home, keyring: SecretService
) -> None:
    """A request that needs what is kept ends with 3; a new login would hide the lock."""
    home.succeed("agentkeys-credential-process")
    home.succeed("agentkeys", "daemon", "stop")
    keyring.lock()
    locked = home.run("agentkeys-credential-process")
    assert (locked.status, locked.stdout) == (3, "")
    assert "locked" in locked.complaint()[0]


def test_after_a_logout_nothing_is_kept(home: Home) -> None:
    """A restarted daemon has to mint anew."""
    first = home.succeed("agentkeys-credential-process")
    home.run("agentkeys", "logout")
    home.succeed("agentkeys", "daemon", "stop")
    assert home.succeed("agentkeys-credential-process") != first
