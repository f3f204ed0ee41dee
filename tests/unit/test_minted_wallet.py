"""Whose wallet a caller of the old mint is told: that of the credentials themselves."""

from __future__ import annotations

from dataclasses import replace

import pytest

from agentkeys.models import Confinement
from agentkeys_daemon.runs.door import wallet_of
from tests.support.profiles import a_lease, a_profile
from tests.support.tokens import ALICE, CAROL, User

BY_NAME = Confinement("claim", "preferred_username")


@pytest.mark.parametrize("user", [ALICE, CAROL])
def test_it_is_what_the_broker_s_token_says(user: User) -> None:
    """The wallet, or the omni of a user who has none; however the store confines."""
    for confine in (BY_NAME, Confinement("tags"), Confinement("role")):
        assert wallet_of(a_profile(confine=confine), a_lease(user)) == user.subject


def test_of_another_issuer_it_is_what_confines_the_user() -> None:
    """As the user's prefix is made of it."""
    claims = {"sub": "0001", "preferred_username": "bob"}
    lease = replace(a_lease(), claims=claims, subject="0001")
    assert wallet_of(a_profile(confine=BY_NAME), lease) == "bob"


@pytest.mark.parametrize("confine", [BY_NAME, Confinement("tags"), Confinement("role")])
def test_in_the_end_it_is_the_token_s_subject(confine: Confinement) -> None:
    """And never anybody else's."""
    lease = replace(a_lease(), claims={"sub": "0001"}, subject="0001")
    assert wallet_of(a_profile(confine=confine), lease) == "0001"
