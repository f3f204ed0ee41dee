"""The vault entry of one identity, read again by the next daemon."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentkeys.kept import Kept, decode_kept, encode_kept
from agentkeys.leases import Lease
from agentkeys.models import TemporaryCredentials
from agentkeys.secret import Secret
from agentkeys.sessions import parse_broker_session
from tests.support.moved_clock import SAMPLE_NOW, MovedClock
from tests.support.profiles import a_lease
from tests.support.tokens import BOB, CAROL, ISSUER, session_jwt

SESSION = parse_broker_session(Secret(session_jwt()), url=ISSUER)
NOTHING = Kept(None, {})
TEXTS = st.text(st.characters(codec="utf-8"))


def read(blob: str | None) -> Kept:
    return decode_kept(None if blob is None else Secret(blob), clock=MovedClock())


@pytest.mark.parametrize(
    "kept",
    [
        pytest.param(NOTHING, id="nothing"),
        pytest.param(Kept(SESSION, {}), id="a session"),
        pytest.param(
            Kept(parse_broker_session(Secret(session_jwt(CAROL)), url=ISSUER), {}),
            id="a session without a wallet",
        ),
        pytest.param(
            Kept(SESSION, {"a": a_lease(), "b": a_lease(BOB, number=2)}), id="session and leases"
        ),
        pytest.param(Kept(None, {"a": replace(a_lease(), sts_request_id=None)}), id="a lease"),
    ],
)
def test_what_is_written_is_read_again(kept: Kept) -> None:
    """Whole."""
    assert decode_kept(encode_kept(kept), clock=MovedClock()) == kept


@given(
    st.dictionaries(TEXTS, TEXTS, max_size=5),
    TEXTS,
    st.datetimes(datetime(2027, 1, 1), datetime(2900, 1, 1), timezones=st.just(UTC)),
)
def test_every_lease_survives(claims: dict[str, str], text: str, expires_at: datetime) -> None:
    """Except for fractions of its seconds."""
    lease = Lease(
        credentials=TemporaryCredentials(
            text, Secret(text), Secret(text), expires_at.replace(microsecond=0)
        ),
        minted_at=SAMPLE_NOW,
        refresh_at=SAMPLE_NOW,
        skew=timedelta(0),
        deadline=0.0,
        role_session_name=text,
        subject=text,
        claims=claims,
        sts_request_id=text,
    )
    kept = Kept(None, {text: lease})
    assert decode_kept(encode_kept(kept), clock=MovedClock()) == kept


def test_an_expiration_is_never_read_later_than_it_is() -> None:
    """Fractions are cut off."""
    lease = a_lease(lifetime=timedelta(minutes=5, microseconds=999_999))
    kept = decode_kept(encode_kept(Kept(None, {"a": lease})), clock=MovedClock())
    assert kept.leases["a"].credentials.expires_at == SAMPLE_NOW + timedelta(minutes=5)


def test_expired_leases_are_left_behind() -> None:
    """An expired session is not: it says who was logged in."""
    kept = Kept(SESSION, {"old": a_lease(), "new": a_lease(lifetime=timedelta(hours=8))})
    clock = MovedClock(SAMPLE_NOW + timedelta(hours=6))
    later = decode_kept(encode_kept(kept), clock=clock)
    assert set(later.leases) == {"new"}
    assert later.session == SESSION


@pytest.mark.parametrize(
    "blob",
    [
        pytest.param(None, id="no entry"),
        pytest.param("", id="empty"),
        pytest.param("garbage", id="garbage"),
        pytest.param("[" * 100_000, id="deep nesting"),
        pytest.param("9" * 5000, id="a long number"),
        pytest.param("[]", id="a list"),
        pytest.param("null", id="null"),
        pytest.param("{}", id="no version"),
        pytest.param('{"version": 1}', id="nothing in it"),
        pytest.param('{"version": 1, "session": [], "leases": []}', id="lists"),
        pytest.param('{"version": 1, "session": "x", "leases": "x"}', id="text"),
    ],
)
def test_what_is_not_understood_counts_as_absent(blob: str | None) -> None:
    """Nobody can repair it; a new login replaces it."""
    assert read(blob) == NOTHING


@pytest.mark.parametrize("version", [0, 2, "1", None, [1]])
def test_an_entry_of_another_version_is_not_guessed_at(version: object) -> None:
    """A newer one may mean something else by the same names."""
    document = json.loads(encode_kept(Kept(SESSION, {"a": a_lease()})).reveal())
    assert read(json.dumps(document | {"version": version})) == NOTHING


@pytest.mark.parametrize(
    "session",
    [
        pytest.param({"jwt": SESSION.jwt.reveal()}, id="no url"),
        pytest.param({"url": ISSUER}, id="no token"),
        pytest.param({"url": ISSUER, "jwt": "garbage"}, id="no session"),
        pytest.param({"url": ISSUER, "jwt": None}, id="null"),
        pytest.param(7, id="a number"),
    ],
)
def test_a_broken_session_costs_no_leases(session: object) -> None:
    """Each part is read by itself."""
    document = json.loads(encode_kept(Kept(SESSION, {"a": a_lease()})).reveal())
    kept = read(json.dumps(document | {"session": session}))
    assert kept == Kept(None, {"a": a_lease()})


_LEASE = json.loads(encode_kept(Kept(None, {"a": a_lease()})).reveal())["leases"]["a"]


@pytest.mark.parametrize(
    "broken",
    [
        pytest.param(None, id="null"),
        pytest.param("x", id="text"),
        pytest.param([], id="a list"),
        pytest.param({}, id="empty"),
        pytest.param(_LEASE | {"expires_at": "soon"}, id="no time"),
        pytest.param(_LEASE | {"expires_at": 1780315200}, id="a number for a time"),
        pytest.param(_LEASE | {"expires_at": "2030-01-01T00:00:00"}, id="no zone"),
        pytest.param(_LEASE | {"minted_at": None}, id="never minted"),
        pytest.param(_LEASE | {"claims": None}, id="no claims"),
        pytest.param(_LEASE | {"claims": []}, id="a list of claims"),
        *(
            pytest.param({key: _LEASE[key] for key in _LEASE if key != name}, id=f"no {name}")
            for name in _LEASE
            if name not in ("sts_request_id", "policy_hash", "run_id")
        ),
    ],
)
def test_a_broken_lease_costs_neither_session_nor_others(broken: Any) -> None:
    """It is minted anew."""
    document = json.loads(encode_kept(Kept(SESSION, {"a": a_lease()})).reveal())
    document["leases"]["broken"] = broken
    assert read(json.dumps(document)) == Kept(SESSION, {"a": a_lease()})


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(["session", "leases", "jwt", "claims", "x"]), inner)
        ),
        max_leaves=8,
    )
)
def test_no_entry_breaks_the_daemon(document: Any) -> None:
    """Whatever somebody has put into the keyring."""
    for value in (document, {"version": 1, "session": document, "leases": {"a": document}}):
        assert read(json.dumps(value)) == NOTHING


def test_an_entry_does_not_print() -> None:
    """It holds everything that there is."""
    assert "secret-1" not in repr(encode_kept(Kept(SESSION, {"a": a_lease()})))
