"""The token of a run."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentkeys_daemon.endpoint import matches, new_token, owner_of, token_hash


def test_a_token_cannot_be_guessed() -> None:
    """256 bits, in letters that no header, file or variable has to quote, and never twice."""
    tokens = {new_token().reveal() for _ in range(100)}
    assert len(tokens) == 100
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{43}", token) for token in tokens)


@settings(deadline=None)  # other programs may take the machine's time
@given(st.text(), st.text())
def test_a_hash_belongs_to_its_token(token: str, other: str) -> None:
    """And to no other."""
    assert matches(token, token_hash(token))
    assert matches(other, token_hash(token)) == (other == token)


def test_a_hash_does_not_give_its_token_away() -> None:
    """What lies on a disk opens nothing."""
    token = new_token().reveal()
    assert re.fullmatch("[0-9a-f]{64}", token_hash(token))
    assert not matches(token_hash(token), token_hash(token))


@settings(deadline=None)
@given(st.text())
def test_nothing_matches_where_no_run_is(token: str) -> None:
    """Not even the empty token."""
    assert not matches(token, None)
    assert not matches("", None)


@settings(deadline=None)
@given(st.lists(st.text(max_size=3), unique=True), st.text(max_size=3))
def test_a_token_has_one_owner_or_none(tokens: list[str], asked: str) -> None:
    """Among any number of hashes."""
    hashes = [(f"run of {token}", token_hash(token)) for token in tokens]
    assert owner_of(asked, hashes) == (f"run of {asked}" if asked in tokens else None)


@pytest.mark.parametrize("written", ["", "é", "\udc80", "0" * 64, "\0"])
def test_what_is_no_hash_has_no_token(written: str) -> None:
    """It may have come from a file, and is no obstacle to others."""
    token = new_token().reveal()
    assert not matches(token, written)
    assert not matches("", written)
    assert owner_of(token, [("bad", written), ("good", token_hash(token))]) == "good"


def test_half_a_surrogate_is_no_accident() -> None:
    """A header may hold anything."""
    assert not matches("\udc80", token_hash("x"))
