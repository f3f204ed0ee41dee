"""The token of a run."""

from __future__ import annotations

import re

from hypothesis import given, settings
from hypothesis import strategies as st

from agentkeys_daemon.endpoint import matches, new_token, token_hash


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


def test_half_a_surrogate_is_no_accident() -> None:
    """A header may hold anything."""
    assert not matches("\udc80", token_hash("x"))
