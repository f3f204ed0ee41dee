"""The head of the ledger's chain in a real keyring."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import secretstorage

from agentkeys.audit import head_account
from tests.support.chains import ledger_lines
from tests.support.killing import wait_until
from tests.support.place import SHIM, Place, place_in
from tests.support.programs import Home
from tests.support.raw_http import ask
from tests.support.tokens import ALICE
from tests.system.secret_service import SecretService


@pytest.fixture
def place(home: Home, keyring: SecretService) -> Iterator[Place]:
    """ALICE is logged in, and the daemon finds that keyring."""
    home.succeed("agentkeys", "daemon", "start")
    with place_in(home, ALICE) as found:
        yield found


def path(place: Place) -> Path:
    return place.home.state / "audit" / "ledger.jsonl"


def told(place: Place) -> Any:
    return ask(place.home, "GET", "/v1/ledger").json()


def kept(place: Place, keyring: SecretService) -> dict[str, Any]:
    """What the keyring itself has."""
    account = head_account(place.home.state)
    with keyring.connection() as bus:
        attributes = {"service": "agentkeys-daemon", "username": account}
        [item] = secretstorage.search_items(bus, attributes)
        found = json.loads(item.get_secret())
    assert isinstance(found, dict)
    return found


def test_the_head_is_in_the_keyring(place: Place, keyring: SecretService) -> None:
    """Of the last record at the daemon's end, of the last mint at once; nothing lies beside it."""
    assert place.through(SHIM).served
    wait_until(lambda: (told(place)["kept_head"] or {"seq": 0})["seq"] >= 2)
    assert told(place)["kept_in"] == "secret-service"
    place.home.succeed("agentkeys", "daemon", "stop")
    last = ledger_lines(path(place))[-1]
    assert kept(place, keyring) == {"version": 1, "seq": last["seq"], "chain": last["chain"]}
    assert not path(place).with_name("head.json").exists()


def test_records_that_were_cut_off_under_a_locked_keyring_are_found_out(
    place: Place, keyring: SecretService
) -> None:
    """As soon as it can be read; until then nothing takes the head's place."""
    assert place.through(SHIM).served
    place.home.succeed("agentkeys", "daemon", "stop")
    lines = path(place).read_bytes().splitlines(keepends=True)
    path(place).write_bytes(lines[0])
    keyring.lock()
    assert not place.through(SHIM).served
    assert told(place)["head_error"]["code"] == "vault_locked"
    assert told(place)["kept_head"] is None
    keyring.unlock("pw")
    wait_until(lambda: place.status()["daemon"]["ledger_error"])
    said = f"its head is at {len(lines)}: records are missing"
    assert said in place.status()["daemon"]["ledger_error"]["message"]
