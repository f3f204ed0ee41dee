"""Pairing with the development broker: request, code, claim, session, mint, and a new session."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import httpx
import jwt
import pytest

from agentkeys.broker import BrokerClient as Broker
from agentkeys.clock import SystemClock
from agentkeys.errors import BrokerRefused
from agentkeys.ethereum import new_private_key
from agentkeys.keeper import Keeper
from agentkeys.login import await_claim, known_device, prove_possession, request_pairing
from agentkeys.secret import Secret
from agentkeys.sessions import EXPIRY_MARGIN, BrokerSession, DeviceProof, parse_broker_session
from agentkeys.tokens.broker import BrokerTokenSource
from agentkeys.transport import Transport
from tests.fakes.vault import FragileVault
from tests.support.calls import over_http
from tests.support.dev_broker import (
    BrokerClient,
    RunningBroker,
    assert_refused,
    audit_rows,
    running_broker,
)
from tests.support.devices import DEVICE
from tests.support.samples import broker_sample

T = TypeVar("T")
REQUEST, POLL = "/v1/agent/pairing/request", "/v1/agent/pairing/poll"
CLAIM, RESOLVE = "/v1/agent/pairing/claim", "/v1/agent/resolve"
LABEL = "builder-1"


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningBroker]:
    """Tests keep apart by their devices."""
    with running_broker(tmp_path_factory.mktemp("broker"), "--follow-links") as running:
        yield running


@pytest.fixture
def client(broker: RunningBroker) -> Iterator[BrokerClient]:
    with BrokerClient(broker.url) as client:
        yield client


@pytest.fixture
def strict(tmp_path: Path) -> Iterator[RunningBroker]:
    """Where agents wait until their owner has registered them."""
    with running_broker(tmp_path, "--follow-links", "--agents-wait") as running:
        yield running


@pytest.fixture
def device() -> dict[str, str]:
    """What a device that nobody knows shows of itself."""
    proof = prove_possession(new_private_key())
    return {"device_pubkey": proof.address, "pop_sig": proof.signature.reveal()}


@pytest.fixture(scope="module")
def alice(broker: RunningBroker) -> dict[str, Any]:
    """Her login: an address gets few links an hour."""
    with BrokerClient(broker.url) as client:
        return client.managed_login("alice@example.com")


@pytest.fixture(scope="module")
def bob(broker: RunningBroker) -> dict[str, Any]:
    with BrokerClient(broker.url) as client:
        return client.managed_login("bob@example.com")


def claim(
    client: BrokerClient, code: str, owner: dict[str, Any], label: str = LABEL
) -> httpx.Response:
    body = {"pairing_code": code, "label": label, "requested_scope": ["s3"]}
    return client.post(CLAIM, body, bearer=owner["session_jwt"])


def pair(client: BrokerClient, device: dict[str, str], owner: dict[str, Any]) -> dict[str, Any]:
    """The claimed answer."""
    asked = client.answer(REQUEST, device)
    assert claim(client, asked["pairing_code"], owner).status_code == 200
    return client.answer(POLL, {**device, "request_id": asked["request_id"]})


def claims_of(token: str) -> dict[str, Any]:
    claims: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return claims


# As the contract has it.


def test_a_request_gives_a_ticket_and_a_code(client: BrokerClient) -> None:
    """The fields of the sample, in their shapes; the sample's device proves itself."""
    before = int(time.time())
    asked = client.answer(REQUEST, broker_sample("pairing-request.request"))
    assert asked.keys() == broker_sample("pairing-request.200").keys()
    assert re.fullmatch(r"[A-Za-z0-9_-]{43}", asked["request_id"])
    assert re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_-]{23}", asked["pairing_code"])
    assert asked["device_key_hash"] == broker_sample("pairing-request.200")["device_key_hash"]
    assert before + 600 <= asked["expires_at"] <= int(time.time()) + 600


def test_an_agent_s_session_is_handed_over_once(
    client: BrokerClient, device: dict[str, str], alice: dict[str, Any]
) -> None:
    """Pending, claimed with the fields of the sample, and gone."""
    asked = client.answer(REQUEST, device)
    poll = {**device, "request_id": asked["request_id"]}
    assert client.answer(POLL, poll) == broker_sample("pairing-poll.pending")
    assert claim(client, asked["pairing_code"], alice).status_code == 200
    claimed = client.answer(POLL, poll)
    assert claimed.keys() == broker_sample("pairing-poll.claimed").keys()
    assert claimed["operator_omni"] == alice["omni_account"]
    assert (claimed["label"], claimed["derivation_path"]) == (LABEL, f"//{LABEL}")
    assert_refused(client.post(POLL, poll), 401, "unauthorized")


def test_an_agent_s_session_is_told_from_a_person_s(
    client: BrokerClient, device: dict[str, str], alice: dict[str, Any]
) -> None:
    """The claims of the sample, with its lineage."""
    claimed = pair(client, device, alice)
    session = claims_of(claimed["session_jwt"])
    sample = broker_sample("session-jwt.claims.agent")
    assert session.keys() == sample.keys()
    assert session["agentkeys"].keys() == sample["agentkeys"].keys()
    assert session["sub"] == f"agentkeys:agent:{claimed['child_omni']}"
    about = session["agentkeys"]
    assert about["identity_type"] == "agent_hdkd"
    assert about["wallet_address"] == ""
    assert about["omni_account"] == claimed["child_omni"] != alice["omni_account"]
    assert about["parent_omni"] == alice["omni_account"]
    assert about["device_pubkey"] == about["identity_value"] == device["device_pubkey"]
    assert "parent_omni" not in claims_of(alice["session_jwt"])["agentkeys"]


def test_an_agent_s_token_carries_its_omni_everywhere(
    broker: RunningBroker, client: BrokerClient, device: dict[str, str], alice: dict[str, Any]
) -> None:
    """As in the sample; its row names the omni too."""
    claimed = pair(client, device, alice)
    omni = claimed["child_omni"]
    minted = client.mint(claimed["session_jwt"])
    assert minted.keys() == broker_sample("mint-oidc-jwt.200.agent").keys()
    claims = claims_of(minted["jwt"])
    assert claims.keys() == broker_sample("oidc-jwt.claims.agent").keys()
    assert claims["sub"] == f"agentkeys:agent:{omni}"
    assert claims["agentkeys_user_wallet"] == claims["agentkeys_actor_omni"] == omni
    tags = claims["https://aws.amazon.com/tags"]["principal_tags"]
    assert tags == {"agentkeys_user_wallet": [omni], "agentkeys_actor_omni": [omni]}
    assert minted["wallet"] == audit_rows(broker)[-1]["requester_wallet"] == omni


def test_an_agent_is_the_same_after_a_new_pairing(
    client: BrokerClient, device: dict[str, str], alice: dict[str, Any], bob: dict[str, Any]
) -> None:
    """It depends on owner and label alone."""
    omni = pair(client, device, alice)["child_omni"]
    other = prove_possession(new_private_key())
    again = {"device_pubkey": other.address, "pop_sig": other.signature.reveal()}
    assert pair(client, again, alice)["child_omni"] == omni
    assert pair(client, again, bob)["child_omni"] != omni


def test_a_new_request_replaces_the_open_one(
    client: BrokerClient, device: dict[str, str], alice: dict[str, Any]
) -> None:
    """Neither its code nor its ticket is good any more."""
    first, second = (client.answer(REQUEST, device) for _ in range(2))
    assert_refused(claim(client, first["pairing_code"], alice), 401, "unauthorized")
    former = {**device, "request_id": first["request_id"]}
    assert_refused(client.post(POLL, former), 401, "unauthorized")
    assert claim(client, second["pairing_code"], alice).status_code == 200


def test_a_code_is_good_once(
    client: BrokerClient, device: dict[str, str], alice: dict[str, Any], bob: dict[str, Any]
) -> None:
    """The second owner gets nothing."""
    code = client.answer(REQUEST, device)["pairing_code"]
    assert claim(client, code, alice).status_code == 200
    second = claim(client, code, bob)
    assert_refused(second, 401, "unauthorized")


@pytest.mark.parametrize("label", ["", "Builder", "a b", "x" * 33, "ünï", "a\n"])
def test_a_label_is_short_and_plain(
    client: BrokerClient, device: dict[str, str], label: str, alice: dict[str, Any]
) -> None:
    """It becomes part of a path, and the code survives the attempt."""
    code = client.answer(REQUEST, device)["pairing_code"]
    assert_refused(claim(client, code, alice, label), 400, "bad_request")
    assert claim(client, code, alice).status_code == 200


def test_an_agent_claims_no_agents(
    client: BrokerClient, device: dict[str, str], alice: dict[str, Any]
) -> None:
    """Only people own them."""
    agent = pair(client, device, alice)
    response = claim(client, "any-code", agent)
    assert_refused(response, 403, "forbidden")
    assert_refused(client.post(CLAIM, {"pairing_code": "x", "label": "y"}), 401, "unauthorized")


@pytest.mark.parametrize("path", [REQUEST, POLL, RESOLVE])
@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"device_pubkey": "0x12"}, 400, "bad_request"),
        ({"device_pubkey": DEVICE.address}, 401, "unauthorized"),
        ({"pop_sig": "zz"}, 401, "unauthorized"),
        ({"pop_sig": "0x" + "00" * 65}, 401, "unauthorized"),
        ({"pop_sig": DEVICE.signature.reveal()}, 401, "unauthorized"),
    ],
)
def test_a_device_proves_itself_at_every_call(
    client: BrokerClient,
    device: dict[str, str],
    path: str,
    change: dict[str, str],
    status: int,
    code: str,
) -> None:
    """With its own signature, by its own address."""
    body = {**device, "request_id": "any", **change}
    assert_refused(client.post(path, body), status, code)


def test_a_ticket_is_of_one_device(
    client: BrokerClient, device: dict[str, str], alice: dict[str, Any]
) -> None:
    """Another device gets nothing for it, and takes nothing away."""
    asked = client.answer(REQUEST, device)
    poll = {"request_id": asked["request_id"]}
    sample = broker_sample("pairing-request.request")
    assert_refused(client.post(POLL, {**sample, **poll}), 401, "unauthorized")
    claim(client, asked["pairing_code"], alice)
    assert_refused(client.post(POLL, {**sample, **poll}), 401, "unauthorized")
    assert client.answer(POLL, {**device, **poll})["status"] == "claimed"


# The owner's word.


def assert_forbidden(response: httpx.Response) -> None:
    assert_refused(response, 403, "forbidden")


def test_an_agent_gets_tokens_once_it_is_registered(
    strict: RunningBroker, device: dict[str, str]
) -> None:
    """Until then its session is good for nothing, and the attempt is on record."""
    with BrokerClient(strict.url) as client:
        owner = client.managed_login("alice@example.com")
        session = pair(client, device, owner)["session_jwt"]
        assert_forbidden(client.post("/v1/mint-oidc-jwt", bearer=session))
        assert_forbidden(client.post(RESOLVE, device))
        row = audit_rows(strict)[-1]
        assert (row["outcome"], row["sts_session_name"]) == ("auth_failed", "(agent-not-active)")
        client.answer("/dev/agent/register", device, bearer=owner["session_jwt"])
        assert client.mint(session)["jwt"]
        assert client.answer(RESOLVE, device)["session_jwt"]


def test_a_revoked_agent_gets_nothing(
    client: BrokerClient, device: dict[str, str], alice: dict[str, Any], bob: dict[str, Any]
) -> None:
    """Neither a token for the session that it has nor a new session; and only its owner can."""
    session = pair(client, device, alice)["session_jwt"]
    revoke = "/dev/agent/revoke"
    refused = client.post(revoke, device, bearer=bob["session_jwt"])
    assert_refused(refused, 400, "bad_request")
    assert client.mint(session)
    client.answer(revoke, device, bearer=alice["session_jwt"])
    assert_forbidden(client.post("/v1/mint-oidc-jwt", bearer=session))
    assert_forbidden(client.post(RESOLVE, device))


def test_a_device_with_a_new_owner_leaves_the_old_one(
    client: BrokerClient, device: dict[str, str], alice: dict[str, Any], bob: dict[str, Any]
) -> None:
    """The session that it had from them mints nothing more."""
    session = pair(client, device, alice)["session_jwt"]
    pair(client, device, bob)
    assert_forbidden(client.post("/v1/mint-oidc-jwt", bearer=session))


def test_a_device_that_nobody_has_claimed_is_not_bound(
    client: BrokerClient, device: dict[str, str]
) -> None:
    """And a session is not to be had by asking."""
    assert_forbidden(client.post(RESOLVE, device))


# The whole way, as this client goes it.


class Machine:
    """A headless one, with the parts of the daemon that mint."""

    def __init__(self, transport: Transport, url: str) -> None:
        self.broker = Broker(url=url, transport=transport)
        self.keeper = Keeper(
            identity="bot",
            account="bot",
            vault=FragileVault(),
            clock=SystemClock(),
            times=transport.times,
        )
        self.source = BrokerTokenSource(
            broker=self.broker, sessions=self.keeper.of(BrokerSession), times=transport.times
        )

    async def pair(self, device: DeviceProof, claim: Callable[[str], object]) -> BrokerSession:
        pairing = await request_pairing(self.broker, device)
        await asyncio.to_thread(claim, pairing.code)
        jwt = await await_claim(self.broker, device, pairing, clock=SystemClock())
        return await self.keep(jwt, device)

    async def keep(self, jwt: Secret, device: DeviceProof) -> BrokerSession:
        session = parse_broker_session(jwt, url=self.broker.url, device=device)
        await self.keeper.keep_session(session)
        return session

    async def token_claims(self) -> dict[str, Any]:
        token = await self.source.fetch_token(await self.source.subject())
        return dict(token.claims)


def as_machine(url: str, story: Callable[[Machine], Awaitable[T]]) -> T:
    return over_http(lambda transport: story(Machine(transport, url)))


def test_a_machine_without_a_person_works_on_when_its_session_is_over(tmp_path: Path) -> None:
    """Paired once by code; then it gets sessions with its proof, of the same agent."""
    options = ["--follow-links", "--session-seconds", "32", "--session-leeway-seconds", "0"]
    with running_broker(tmp_path, *options) as broker, BrokerClient(broker.url) as client:
        owner = client.managed_login("alice@example.com")

        async def story(machine: Machine) -> None:
            device = prove_possession(new_private_key())
            first = await machine.pair(device, lambda code: claim(client, code, owner))
            before = await machine.token_claims()
            # A session counts as over half a minute before its end.
            left = first.expires_at - EXPIRY_MARGIN - SystemClock().now()
            await asyncio.sleep(left.total_seconds())
            assert machine.keeper.is_over(first)
            after = await machine.token_claims()
            assert machine.keeper.held_session != first
            assert after["agentkeys_user_wallet"] == before["agentkeys_user_wallet"] == first.omni

        as_machine(broker.url, story)


def test_a_machine_whose_key_is_bound_needs_no_code(
    client: BrokerClient, alice: dict[str, Any]
) -> None:
    """Reinstalled, for example."""

    async def story(machine: Machine) -> None:
        device = prove_possession(new_private_key())
        assert await known_device(machine.broker, device) is None
        first = await machine.pair(device, lambda code: claim(client, code, alice))
        jwt = await known_device(machine.broker, device)
        assert jwt
        assert (await machine.keep(jwt, device)).owner == first.owner
        assert (await machine.token_claims())["agentkeys_user_wallet"] == first.omni

    as_machine(client.url, story)


def test_a_machine_that_waits_for_its_owner_is_told_so(
    strict: RunningBroker,
) -> None:
    """The session is there, but no token until the device is registered."""
    with BrokerClient(strict.url) as client:
        owner = client.managed_login("alice@example.com")

        async def story(machine: Machine) -> None:
            device = prove_possession(new_private_key())
            await machine.pair(device, lambda code: claim(client, code, owner))
            with pytest.raises(BrokerRefused, match="not bound yet") as refusal:
                await machine.token_claims()
            assert "owner" in refusal.value.hint
            body = {"device_pubkey": device.address}
            client.answer("/dev/agent/register", body, bearer=owner["session_jwt"])
            assert await machine.token_claims()

        as_machine(strict.url, story)
