"""Sign-In with Ethereum, with a wallet of one's own or one that the broker's signer keeps."""

from __future__ import annotations

from typing import Any

import pytest

from agentkeys.broker import BrokerClient
from agentkeys.errors import AgentkeysError, BrokerRefused, LoginFailed, LoginRequired
from agentkeys.login import (
    SiweChallenge,
    answer_challenge,
    start_wallet_login,
    take_managed_wallet,
)
from agentkeys.secret import Secret
from agentkeys.sessions import parse_broker_session
from agentkeys.transport import Transport
from tests.fakes.broker import SIGNATURE, FakeBroker
from tests.support.calls import at_broker, over_http
from tests.support.samples import broker_sample
from tests.support.tokens import ALICE, BOB, CAROL, session_jwt

START, VERIFY = "/v1/auth/wallet/start", "/v1/auth/wallet/verify"
DERIVE, SIGN, LINK = "/dev/derive-address", "/dev/sign-message", "/v1/wallet/link"


def start(broker: FakeBroker, address: str = ALICE.wallet) -> SiweChallenge:
    return at_broker(broker.url, lambda client: start_wallet_login(client, address))


def answer(broker: FakeBroker, challenge: SiweChallenge, signature: str = SIGNATURE) -> Secret:
    return at_broker(broker.url, lambda client: answer_challenge(client, challenge, signature))


def managed(broker: FakeBroker, session: str | None = None, signer_url: str = "") -> Secret:
    async def story(transport: Transport) -> Secret:
        at_hand = BrokerClient(url=broker.url, transport=transport)
        signer = BrokerClient(url=signer_url or broker.url, transport=transport)
        return await take_managed_wallet(at_hand, signer, Secret(session or ""))

    session = session or broker.session_jwt(CAROL)
    return over_http(story)


def test_a_signed_challenge_gives_a_session() -> None:
    """The message is signed exactly as it came, and its id proves which one it was."""
    with FakeBroker() as broker:
        challenge = start(broker)
        session = answer(broker, challenge)
        first, second = broker.requests
    assert first.body == {"address": ALICE.wallet, "chain_id": 84532}
    assert second.body == {"request_id": challenge.request_id.reveal(), "signature": SIGNATURE}
    assert "authorization" not in {**first.headers, **second.headers}
    assert parse_broker_session(session, url=broker.url).subject == ALICE.wallet


def test_an_address_may_be_in_any_case() -> None:
    """Wallets show checksummed addresses; the message has it in lower case."""
    with FakeBroker() as broker:
        assert start(broker, f"0x{ALICE.wallet[2:].upper()}").address == ALICE.wallet


@pytest.mark.parametrize("address", ["", "alice", ALICE.wallet[:-1], f"{ALICE.wallet}\n", "0x"])
def test_what_is_no_address_is_not_sent(address: str) -> None:
    """With the form it should have."""
    with FakeBroker() as broker:
        with pytest.raises(LoginFailed, match="is not a wallet address"):
            start(broker, address)
        assert broker.requests == []


HOST_LINE = "{host} wants you to sign in with your Ethereum account:"


@pytest.mark.parametrize(
    "message",
    [
        pytest.param("", id="nothing"),
        pytest.param(f"{HOST_LINE}", id="no second line"),
        pytest.param(f"{HOST_LINE}\n{BOB.wallet}\n", id="another address"),
        pytest.param(f"{HOST_LINE}\n{ALICE.wallet.upper()}\n", id="upper case"),
        pytest.param(f"{HOST_LINE}\n {ALICE.wallet}\n", id="a space before the address"),
        pytest.param(f"{HOST_LINE}\r\n{ALICE.wallet}\r\n", id="other line ends"),
        pytest.param(f"evil.example.com wants you\n{ALICE.wallet}\n", id="another host"),
        pytest.param(f"{{host}}.evil.com wants you\n{ALICE.wallet}\n", id="a longer host"),
        pytest.param(f"{{host}}0 wants you\n{ALICE.wallet}\n", id="another port"),
        pytest.param(f"127.0.0.1 wants you\n{ALICE.wallet}\n", id="no port"),
        pytest.param(f"\n{HOST_LINE}\n{ALICE.wallet}\n", id="a line before"),
    ],
)
def test_nothing_but_a_login_at_the_broker_is_signed(message: str) -> None:
    """A broker must not get somebody's signature for use elsewhere."""
    with FakeBroker() as broker:
        text = message.replace("{host}", broker.host)
        broker.answer_with(START, 200, {"request_id": "siwe-1", "siwe_message": text})
        with pytest.raises(LoginFailed, match="sign something else") as refusal:
            start(broker)
    assert broker.url in refusal.value.hint


def test_the_host_counts_in_any_case() -> None:
    """Of a URL, it means the same."""
    with FakeBroker() as broker:
        url = broker.url.replace("127.0.0.1", "LocalHost")
        text = f"{url.removeprefix('http://').lower()} wants you\n{ALICE.wallet}\n"
        broker.answer_with(START, 200, {"request_id": "siwe-1", "siwe_message": text})
        challenge = at_broker(url, lambda client: start_wallet_login(client, ALICE.wallet))
    assert challenge.message == text


@pytest.mark.parametrize(
    "document",
    [
        pytest.param({}, id="nothing"),
        pytest.param({"request_id": "siwe-1"}, id="no message"),
        pytest.param({"siwe_message": "x"}, id="no id"),
        pytest.param({"request_id": 1, "siwe_message": "x"}, id="a number for an id"),
    ],
)
def test_an_answer_without_a_challenge_is_a_failure(document: dict[str, Any]) -> None:
    """Nothing is shown for signing."""
    with FakeBroker() as broker:
        broker.answer_with(START, 200, document)
        with pytest.raises(LoginFailed, match="no challenge to sign"):
            start(broker)


CHALLENGE = SiweChallenge(ALICE.wallet, "message", Secret("siwe-0123456789"))


@pytest.mark.parametrize(
    "signature", ["", "0x", "5a" * 64, "5a" * 66, "zz" * 65, f"0x{'5a' * 65}\n", f" {'5a' * 65}"]
)
def test_a_malformed_signature_is_not_sent(signature: str) -> None:
    """Any attempt uses the challenge up."""
    with FakeBroker() as broker:
        with pytest.raises(LoginFailed, match="not a signature of 65 bytes"):
            answer(broker, CHALLENGE, signature)
        assert broker.requests == []


@pytest.mark.parametrize("signature", ["5a" * 65, "0x" + "5A" * 65])
def test_a_signature_may_come_with_and_without_0x(signature: str) -> None:
    """Wallets differ; it is sent as it was given."""
    with FakeBroker() as broker:
        answer(broker, start(broker), signature)
        assert broker.requests[-1].body["signature"] == signature


def test_the_contract_s_session_is_taken() -> None:
    """As recorded of a real broker."""
    sample = broker_sample("wallet-verify.200")
    with FakeBroker() as broker:
        broker.answer_with(VERIFY, 200, sample)
        assert answer(broker, CHALLENGE).reveal() == sample["session_jwt"]


def test_a_used_challenge_is_refused_and_nothing_secret_said() -> None:
    """401 means no lost session here: there was none to lose."""
    with FakeBroker() as broker:
        challenge = start(broker)
        answer(broker, challenge)
        with pytest.raises(BrokerRefused) as refusal:
            answer(broker, challenge)
        ticket = challenge.request_id.reveal()
        broker.refuse_with(VERIFY, 401, "unauthorized", f"unknown {ticket}")
        with pytest.raises(BrokerRefused) as second:
            answer(broker, challenge)
    assert "unknown challenge" in refusal.value.message
    assert ticket not in second.value.message


def test_a_login_without_a_session_is_a_failure() -> None:
    """Rather than a session of nothing."""
    with FakeBroker() as broker:
        broker.answer_with(VERIFY, 200, {"omni_account": ALICE.omni})
        with pytest.raises(LoginFailed, match="without a session"):
            answer(broker, CHALLENGE)


# A wallet that the broker's signer keeps.


def test_a_managed_wallet_gives_a_second_session() -> None:
    """The e-mail session's wallet is derived, linked, and signs in; the new session is kept."""
    with FakeBroker() as broker:
        first = broker.session_jwt(CAROL)
        second = managed(broker, first)
        calls = [request.path for request in broker.requests]
        bearers = {
            request.path: request.headers.get("authorization") for request in broker.requests
        }
        bodies = {request.path: request.body for request in broker.requests}
    assert calls == [DERIVE, LINK, START, SIGN, VERIFY]
    assert bearers[DERIVE] == bearers[LINK] == bearers[SIGN] == f"Bearer {first}"
    assert bearers[START] is bearers[VERIFY] is None
    assert bodies[DERIVE] == {"omni_account": CAROL.omni}
    assert bodies[LINK] == {"identity_type": "evm", "identity_value": ALICE.wallet}
    assert bodies[SIGN]["omni_account"] == CAROL.omni
    assert bytes.fromhex(bodies[SIGN]["message_hex"]).decode().split("\n")[1] == ALICE.wallet
    assert bodies[VERIFY]["signature"] == SIGNATURE
    assert parse_broker_session(second, url=broker.url).wallet == ALICE.wallet


def test_a_signer_that_signs_with_another_wallet_is_not_trusted() -> None:
    """Its signature goes nowhere."""
    with FakeBroker() as broker:
        broker.answer_with(SIGN, 200, {"address": BOB.wallet, "signature": SIGNATURE})
        with pytest.raises(LoginFailed, match="another wallet than it had named"):
            managed(broker)
        assert broker.requests_to(VERIFY) == []


@pytest.mark.parametrize(
    ("path", "document", "words"),
    [
        pytest.param(DERIVE, {}, "no wallet address", id="no address"),
        pytest.param(DERIVE, {"address": None}, "no wallet address", id="null"),
        pytest.param(DERIVE, {"address": "0xab"}, "no wallet address", id="a short one"),
        pytest.param(DERIVE, {"address": f"{ALICE.wallet}\n"}, "no wallet", id="a line's end"),
        pytest.param(SIGN, {}, "another wallet", id="signed by nobody"),
        pytest.param(SIGN, {"address": ALICE.wallet}, "not a signature", id="no signature"),
        pytest.param(
            SIGN, {"address": ALICE.wallet, "signature": 7}, "not a signature", id="a number"
        ),
    ],
)
def test_a_signer_s_nonsense_ends_the_login(path: str, document: object, words: str) -> None:
    """Before anything is proved with it."""
    with FakeBroker() as broker:
        broker.answer_with(path, 200, document)
        with pytest.raises(LoginFailed, match=words):
            managed(broker)
        assert broker.requests_to(VERIFY) == []


@pytest.mark.parametrize(
    ("path", "status", "code", "kind"),
    [
        pytest.param(DERIVE, 503, "signer_disabled", AgentkeysError, id="no signer"),
        pytest.param(DERIVE, 401, "unauthorized", LoginRequired, id="the signer knows nobody"),
        pytest.param(LINK, 401, "unauthorized", LoginRequired, id="the wallet is another's"),
        pytest.param(START, 400, "bad_request", BrokerRefused, id="no wallet logins"),
    ],
)
def test_a_refusal_on_the_way_ends_the_login(
    path: str, status: int, code: str, kind: type[AgentkeysError]
) -> None:
    """With the error of that step."""
    with FakeBroker() as broker:
        broker.refuse_with(path, status, code)
        with pytest.raises(kind):
            managed(broker)
        assert broker.requests[-1].path == path


def test_what_is_no_session_goes_to_no_signer() -> None:
    """Its omni is read from it."""
    with FakeBroker() as broker:
        with pytest.raises(LoginFailed):
            managed(broker, "garbage")
        assert broker.requests == []


def test_signer_and_broker_may_be_apart() -> None:
    """Each gets its own calls."""
    with FakeBroker() as broker, FakeBroker() as signer:
        managed(broker, signer_url=signer.url)
        assert [request.path for request in signer.requests] == [DERIVE, SIGN]
        assert [request.path for request in broker.requests] == [LINK, START, VERIFY]


def test_a_session_of_another_broker_is_refused_by_it() -> None:
    """The fake checks whose sessions it is shown, as a signer does not have to."""
    with FakeBroker() as broker, pytest.raises(LoginRequired):
        managed(broker, session_jwt(CAROL))
