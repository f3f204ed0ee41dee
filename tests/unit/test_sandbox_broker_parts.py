"""The development broker's parts that need no server: omnis, messages, limits, forgetting."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import jwt
import pytest

from agentkeys.ethereum import parse_address, recover_address
from agentkeys.secret import Secret
from agentkeys_shell.sandbox.broker.ethereum import derive_wallet
from agentkeys_shell.sandbox.broker.expiring import Expiring
from agentkeys_shell.sandbox.broker.identity import Identity
from agentkeys_shell.sandbox.broker.limits import RateLimit
from agentkeys_shell.sandbox.broker.oidc import OidcTokens
from agentkeys_shell.sandbox.broker.sessions import Session, Sessions
from agentkeys_shell.sandbox.broker.siwe import siwe_message
from agentkeys_shell.sandbox.broker.web import Refused
from tests.support.moved_clock import SAMPLE_NOW, MovedClock
from tests.support.samples import broker_sample

ISSUER = "https://broker.example.com"
VECTORS = broker_sample("vectors")
MESSAGE = broker_sample("wallet-start.200")["siwe_message"].encode()
SIGNATURE = VECTORS["siwe"]["signature"]
ADDRESS = VECTORS["wallet"]["address"]


@pytest.fixture
def clock() -> MovedClock:
    return MovedClock()


@pytest.mark.parametrize("vector", VECTORS["omni"])
def test_an_omni_is_the_hash_of_kind_and_value(vector: dict[str, str]) -> None:
    """As in the contract's vectors, the notorious empty wallet among them."""
    identity = Identity(vector["identity_type"], vector["identity_value"])
    assert identity.omni == vector["omni"]


def test_a_message_says_what_the_sample_says() -> None:
    """Line by line like the sample but for the words that are each broker's own."""
    message = siwe_message(
        issuer=ISSUER,
        address=ADDRESS,
        chain_id=84532,
        nonce="00112233445566778899aabbccddeeff",
        issued_at=SAMPLE_NOW - timedelta(minutes=10),
    )
    sample = MESSAGE.decode().splitlines()[:11]
    assert [*message.splitlines()[:3], *message.splitlines()[4:]] == [*sample[:3], *sample[4:]]


@pytest.mark.parametrize("v", VECTORS["siwe"]["v_values_accepted"])
def test_a_signature_names_its_signer(v: int) -> None:
    """All four spellings of v are taken, in pairs that mean the same."""
    assert v % 27 in (0, 1)
    signer = recover_address(MESSAGE, f"{SIGNATURE[:-2]}{v:02x}")
    assert (signer == ADDRESS) is (v % 27 == int(SIGNATURE[-2:], 16))


def test_a_signature_may_come_without_0x() -> None:
    """Hex is hex."""
    assert recover_address(MESSAGE, SIGNATURE.removeprefix("0x").upper()) == ADDRESS


@pytest.mark.parametrize(
    ("signature", "reason"),
    [
        ("", "not 65 bytes"),
        (SIGNATURE[:-2], "not 65 bytes"),
        (SIGNATURE + "00", "not 65 bytes"),
        ("0x" + "zz" * 65, "not 65 bytes"),
        (SIGNATURE[:-2] + "02", "v is none"),
        (SIGNATURE[:-2] + "25", "v is none"),
        ("00" * 65, "impossible"),
        ("ff" * 64 + "00", "impossible"),
        ("00" * 31 + "05" + "00" * 31 + "05" + "00", "impossible"),
    ],
)
def test_a_signature_that_nobody_made_is_refused(signature: str, reason: str) -> None:
    """With the reason; the last one has an r that is on no point of the curve."""
    with pytest.raises(ValueError, match=reason):
        recover_address(MESSAGE, signature)


def test_a_derived_wallet_stays_the_same() -> None:
    """The same person has the same wallet on every machine and after every start."""
    omni = Identity("email", "alice@sandbox.invalid").omni
    assert derive_wallet(omni).address == "0x77d82b25272ff817c3c98078761adfb063a7e919"


def test_a_derived_wallet_signs_for_its_address() -> None:
    """With v as 0 or 1, as the signer service writes it."""
    wallet = derive_wallet("0" * 64)
    signature = wallet.sign(MESSAGE)
    assert recover_address(MESSAGE, signature) == wallet.address
    assert signature[-2:] in ("00", "01")


@pytest.mark.parametrize(
    "text", ["", "0x", ADDRESS[:-1], ADDRESS + "0", ADDRESS[2:], " " + ADDRESS]
)
def test_an_address_is_0x_and_40_digits(text: str) -> None:
    """Anything else is none."""
    with pytest.raises(ValueError, match="not an address"):
        parse_address(text)


def test_an_address_is_kept_in_lower_case() -> None:
    """However it was written."""
    assert parse_address(f"0x{ADDRESS[2:].upper()}") == ADDRESS


def test_a_limit_starts_anew_with_each_window(clock: MovedClock) -> None:
    """Fixed windows of the clock: the wait is until the window ends."""
    limit = RateLimit(2, window=timedelta(hours=1), what="links", clock=clock)
    clock.move(timedelta(minutes=31))
    limit.count("alice")
    limit.count("alice")
    limit.count("bob")
    with pytest.raises(Refused, match=re.escape("rate limited: too many links; retry in 1740s")):
        limit.count("alice")
    clock.move(timedelta(minutes=29))
    limit.count("alice")


def test_what_expires_is_gone(clock: MovedClock) -> None:
    """A value can be had until its time is over, and taken once."""
    values: Expiring[str] = Expiring(lifetime=timedelta(seconds=600), clock=clock)
    values.put("a", "1")
    values.put("b", "2")
    assert values.take("a") == "1"
    assert values.take("a") is None
    clock.move(timedelta(seconds=599))
    values.replace("b", "3")
    assert values.get("b") == "3"
    clock.move(timedelta(seconds=1))
    assert values.get("b") is None
    assert values.take("b") is None


def test_what_nobody_asks_for_does_not_pile_up(clock: MovedClock) -> None:
    """Ten thousand at most; the oldest make room."""
    values: Expiring[int] = Expiring(lifetime=timedelta(days=1), clock=clock)
    for number in range(10_001):
        values.put(str(number), number)
    assert values.get("0") is None
    assert values.get("1") == 1
    assert values.get("10000") == 10_000


def test_a_session_says_what_the_sample_says(clock: MovedClock) -> None:
    """The claims of a wallet session, all but the random `jti`."""
    clock.move(timedelta(minutes=-10))
    sessions = Sessions(issuer=ISSUER, lifetime=timedelta(seconds=18000), clock=clock)
    issued = sessions.issue(Identity("evm", ADDRESS), wallet=ADDRESS)
    claims, sample = decode(issued.jwt), broker_sample("session-jwt.claims")
    assert re.fullmatch("[0-9a-f]+-[0-9a-f]{16}", claims.pop("jti"))
    sample.pop("jti")
    assert claims == sample
    assert jwt.get_unverified_header(issued.jwt.reveal())["kid"].startswith("ak-session-")


def test_a_session_ends_a_minute_after_it_expires(clock: MovedClock) -> None:
    """The tolerance of the real brokers, and no more."""
    sessions = Sessions(issuer=ISSUER, lifetime=timedelta(seconds=100), clock=clock)
    issued = sessions.issue(Identity("email", "alice@example.com"))
    clock.move(timedelta(seconds=160))
    assert sessions.check(issued.jwt) == issued.session
    clock.move(timedelta(seconds=1))
    with pytest.raises(Refused, match="ExpiredSignature"):
        sessions.check(issued.jwt)


def test_a_session_of_another_broker_is_refused(clock: MovedClock) -> None:
    """Even one that was started in the same second, with the same key id."""
    ours, theirs = (
        Sessions(issuer=ISSUER, lifetime=timedelta(seconds=100), clock=clock) for _ in range(2)
    )
    issued = theirs.issue(Identity("email", "alice@example.com"))
    with pytest.raises(Refused, match="InvalidSignatureError"):
        ours.check(issued.jwt)


def test_a_token_says_what_the_sample_says(clock: MovedClock) -> None:
    """Claims and tags of a wallet session's token, in full."""
    tokens = OidcTokens(
        issuer=ISSUER, audience="sts.amazonaws.com", lifetime=timedelta(seconds=300), clock=clock
    )
    minted = tokens.mint(Session(Identity("evm", ADDRESS), ADDRESS))
    assert decode(minted.jwt) == broker_sample("oidc-jwt.claims")
    assert minted.expires_at == broker_sample("mint-oidc-jwt.200")["expiration"]


def test_a_session_without_a_wallet_is_confined_by_its_omni(clock: MovedClock) -> None:
    """An e-mail session's token never has an empty wallet."""
    tokens = OidcTokens(
        issuer=ISSUER, audience="sts.amazonaws.com", lifetime=timedelta(seconds=300), clock=clock
    )
    identity = Identity("email", "alice@example.com")
    claims = decode(tokens.mint(Session(identity, "")).jwt)
    assert claims["agentkeys_user_wallet"] == claims["agentkeys_actor_omni"] == identity.omni
    assert claims["sub"] == f"agentkeys:agent:{identity.omni}"


def decode(token: Secret) -> dict[str, Any]:
    claims: dict[str, Any] = jwt.decode(token.reveal(), options={"verify_signature": False})
    return claims
