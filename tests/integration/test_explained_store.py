"""A real store that was told no more than what `agentkeys stores explain` prints."""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agentkeys_shell.sandbox.processes import end_servers
from agentkeys_shell.sandbox.seaweedfs import find_weed, start_store
from tests.support.dev_broker import BrokerClient, RunningBroker, running_broker
from tests.support.federated_store import BUCKET, FederatedStore, StsRefused, can_list, can_put
from tests.support.programs import Home, new_home

ROLE = "arn:aws:iam::000000000001:role/agentkeys-data"


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningBroker]:
    with running_broker(tmp_path_factory.mktemp("broker"), "--follow-links") as found:
        yield found


@pytest.fixture(scope="module")
def home(broker: RunningBroker) -> Iterator[Home]:
    """Where a profile leads to a store that is not there yet."""
    with new_home() as found:
        found.configure(
            f"""
            [identities.me]
            source = "broker"
            url = "{broker.url}"

            [stores.lab]
            kind = "seaweedfs"
            sts_endpoint = "http://127.0.0.1:9"

            [profiles.data]
            identity = "me"
            store = "lab"
            role_arn = "{ROLE}"
            bucket = "{BUCKET}"
            prefix = "bots/{{wallet}}/"
            """
        )
        yield found


@pytest.fixture(scope="module")
def store(home: Home, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FederatedStore]:
    """A store with the printed configuration, in which one placeholder was replaced."""
    iam = printed_iam(home)
    assert iam["sts"]["signingKey"].startswith("<")
    iam["sts"]["signingKey"] = base64.b64encode(secrets.token_bytes(32)).decode()
    assert "<" not in json.dumps(iam)
    folder = tmp_path_factory.mktemp("store")
    try:
        yield FederatedStore(start_store(folder, weed=find_weed(), iam=iam).url)
    finally:
        end_servers([folder])


def printed_iam(home: Home) -> dict[str, Any]:
    answer = json.loads(home.succeed("agentkeys", "stores", "explain", "seaweedfs", "--json"))
    [found] = [part["content"] for part in answer["parts"] if part["name"] == "iam.json"]
    iam: dict[str, Any] = found
    return iam


def token_of(broker: RunningBroker, address: str) -> tuple[str, str]:
    """Of somebody who logs in: their JWT and their prefix."""
    with BrokerClient(broker.url) as client:
        minted = client.mint(client.managed_login(address)["session_jwt"])
    return minted["jwt"], f"bots/{minted['wallet']}/"


def test_each_user_has_their_own_prefix_and_no_other(
    broker: RunningBroker, store: FederatedStore
) -> None:
    """They write and list it; another's, an unknown one and the whole bucket are denied."""
    alice, bob = (token_of(broker, f"{name}@example.com") for name in ("alice", "bob"))
    for (jwt, own), (_, other) in ((alice, bob), (bob, alice)):
        s3 = store.trade(jwt, ROLE)
        assert can_put(s3, f"{own}x")
        assert can_list(s3, own)
        for foreign in (other, "bots/0xdeadbeef/", ""):
            assert not can_put(s3, f"{foreign}x")
            assert not can_list(s3, foreign)


def test_a_token_that_was_changed_gets_nothing(
    broker: RunningBroker, store: FederatedStore
) -> None:
    """The store fetches the issuer's keys from where the configuration says they are."""
    jwt, _ = token_of(broker, "alice@example.com")
    head, _, signature = jwt.rpartition(".")
    with pytest.raises(StsRefused):
        store.trade(f"{head}.{signature[:-8]}AAAAAAAA", ROLE)


def test_no_daemon_was_asked(home: Home, store: FederatedStore) -> None:
    """Reading the configuration is all that it takes."""
    assert store.url
    assert not home.socket.parent.exists()
    assert not (home.folder / "xdg-run" / "agentkeys").exists()
    assert Path(home.config).exists()
