"""Broker sessions are read for whom they name and how long they live."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from agentkeys.errors import LoginFailed
from agentkeys.secret import Secret
from agentkeys.sessions import BrokerSession, parse_broker_session
from tests.support.moved_clock import SAMPLE_NOW
from tests.support.samples import broker_sample
from tests.support.tokens import (
    ALICE,
    CAROL,
    ISSUER,
    User,
    session_claims,
    session_jwt,
    sign,
    web_identity_jwt,
)

URL = "https://broker.example.com"


def read(jwt: str) -> BrokerSession:
    return parse_broker_session(Secret(jwt), url=URL)


def test_a_wallet_s_session() -> None:
    """Its subject is the wallet."""
    session = read(session_jwt())
    assert (session.wallet, session.omni, session.subject) == (
        ALICE.wallet,
        ALICE.omni,
        ALICE.wallet,
    )
    assert (session.url, session.issuer, session.identity_type) == (URL, ISSUER, "evm")
    assert session.expires_at == SAMPLE_NOW + timedelta(hours=5)


def test_a_session_without_a_wallet() -> None:
    """Is known by its omni."""
    session = read(session_jwt(CAROL))
    assert (session.wallet, session.subject) == (None, CAROL.omni)


@pytest.mark.parametrize(
    "sample", ["wallet-verify.200", "email-status.verified", "oauth2-status.verified"]
)
def test_the_sessions_of_the_contract_are_read(sample: str) -> None:
    """Each way to log in ends in one."""
    answer = broker_sample(sample)
    session = read(answer["session_jwt"])
    assert session.omni == answer["omni_account"]
    assert session.wallet == answer.get("wallet_address")
    assert session.expires_at == datetime.fromtimestamp(answer["expires_at"], UTC)


def test_case_and_prefix_do_not_make_another_identity() -> None:
    """Brokers wrote omnis with and without 0x, and promise no case for wallets."""
    loud = User(omni=f"0x{ALICE.omni.upper()}", wallet=f"0x{ALICE.wallet[2:].upper()}")
    session = read(session_jwt(loud))
    assert (session.omni, session.wallet) == (ALICE.omni, ALICE.wallet)


def test_a_session_is_over_30_seconds_early() -> None:
    """So that no mint races its end."""
    session = read(session_jwt())
    at = session.expires_at - timedelta(seconds=30)
    assert session.is_over(at)
    assert not session.is_over(at - timedelta(microseconds=1))


@pytest.mark.parametrize("at", [datetime.min, datetime.max], ids=["first", "last"])
def test_a_session_may_end_at_the_end_of_all_years(at: datetime) -> None:
    """A broken clock somewhere is no reason to break."""
    claims = session_claims() | {"exp": int(at.replace(tzinfo=UTC, microsecond=0).timestamp())}
    session = read(sign(claims))
    assert session.is_over(SAMPLE_NOW) == (at == datetime.min)


def _changed(**details: Any) -> dict[str, Any]:
    claims = session_claims()
    return claims | {"agentkeys": claims["agentkeys"] | details}


@pytest.mark.parametrize(
    ("claims", "words"),
    [
        pytest.param(session_claims() | {"agentkeys": None}, "not an agentKeys", id="no details"),
        pytest.param(session_claims() | {"agentkeys": "x"}, "not an agentKeys", id="text"),
        pytest.param(session_claims() | {"iss": None}, "not an agentKeys", id="no issuer"),
        pytest.param(session_claims() | {"exp": None}, "no expiry", id="no expiry"),
        pytest.param(_changed(omni_account=None), "names no omni", id="no omni"),
        pytest.param(_changed(omni_account=""), "names no omni", id="an empty omni"),
        pytest.param(_changed(omni_account="0"), "omni is malformed", id="a short omni"),
        pytest.param(_changed(omni_account=7), "omni is malformed", id="a number for an omni"),
        pytest.param(_changed(wallet_address="0xab"), "wallet is malformed", id="a short wallet"),
        pytest.param(_changed(wallet_address="*"), "wallet is malformed", id="a wildcard"),
        pytest.param(_changed(wallet_address=["x"]), "wallet is malformed", id="a list"),
        pytest.param(
            _changed(wallet_address=ALICE.wallet + "\n"), "wallet is malformed", id="a line's end"
        ),
    ],
)
def test_what_is_no_session_is_refused(claims: dict[str, Any], words: str) -> None:
    """As a login that failed, since that is when it is read."""
    with pytest.raises(LoginFailed, match=words) as refusal:
        read(sign(claims))
    assert refusal.value.hint


def test_a_web_identity_token_is_no_session() -> None:
    """People paste the wrong one of the two."""
    with pytest.raises(LoginFailed, match="not an agentKeys broker session"):
        read(web_identity_jwt())


def test_garbage_is_no_session() -> None:
    """And the error does not chain what quotes it."""
    with pytest.raises(LoginFailed) as refusal:
        read("garbage")
    assert refusal.value.__cause__ is None


def test_an_identity_type_of_another_kind_is_left_out() -> None:
    """It is for display only."""
    assert read(sign(_changed(identity_type=7))).identity_type is None
