"""Which names a user may give to variables of a program under `exec`."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentkeys.variable_names import has_own_meaning, is_variable_name, may_lead_to_mint


@given(st.text(max_size=4) | st.text("Aa_0=-\n", max_size=4))
def test_a_name_is_what_any_shell_takes_for_one(text: str) -> None:
    """Letters, digits and underscores of ASCII, and no digit first."""
    assert is_variable_name(text) is bool(re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", text))


@pytest.mark.parametrize(
    "name",
    ["AWS_PROFILE", "AWS_NEW", "BOTO_CONFIG", "EC2_SECURITY_TOKEN", "AGENTKEYS_CLIENT_SECRET"],
)
def test_some_are_read_by_others(name: str) -> None:
    """By AWS clients, and by agentkeys."""
    assert has_own_meaning(name)


@pytest.mark.parametrize("name", ["BROKER_URL", "BROKER_TOKEN", "AWSOME", "aws_profile", "A"])
def test_most_are_free(name: str) -> None:
    """For a program to give them a meaning."""
    assert not has_own_meaning(name)


def test_the_broker_s_own_variables_may_lead_old_callers_here() -> None:
    """Those that its clients read; nothing else that agentkeys gives a meaning to."""
    assert may_lead_to_mint("AGENTKEYS_BROKER_URL")
    assert may_lead_to_mint("AGENTKEYS_SESSION")
    assert may_lead_to_mint("BROKER_URL")
    assert not may_lead_to_mint("AGENTKEYS_CONFIG")
    assert not may_lead_to_mint("AWS_SESSION_TOKEN")
