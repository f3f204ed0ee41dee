"""Role session names."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentkeys.sts import role_session_name

WALLET = "0x" + "a1" * 20


def test_a_wallet_and_a_run_are_in_the_name() -> None:
    """A line of the store's trail leads back to one user and one run."""
    name = role_session_name(WALLET, "abcdefghijklmnop")
    assert name == "agentkeys-0xa1a1a1a1a1a1a1a1a1a1a1-abcdefghijklmnop"


def test_a_subject_with_colons_comes_out_safe() -> None:
    """No store takes a colon in a role session name."""
    name = role_session_name("agentkeys:agent:0xaa", "1780315200")
    assert name == "agentkeys-agentkeysagent0xaa-1780315200"


@given(owner=st.text(), suffix=st.from_regex(r"[a-z0-9]{1,29}", fullmatch=True))
def test_any_owner_makes_a_name_that_aws_takes(owner: str, suffix: str) -> None:
    """2 to 64 characters of AWS's set, and ASCII: its documentation's \\w means no more."""
    assert re.fullmatch(r"[A-Za-z0-9_+=,.@-]{2,64}", role_session_name(owner, suffix))


@pytest.mark.parametrize("suffix", ["", "a" * 30, "a:b", "A"])
def test_a_suffix_that_is_neither_run_nor_second_is_a_mistake(suffix: str) -> None:
    """It is ours to choose, so a wrong one is a bug and not the user's problem."""
    with pytest.raises(ValueError, match="role session name"):
        role_session_name("owner", suffix)
