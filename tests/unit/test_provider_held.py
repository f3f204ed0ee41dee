"""What is held for whom: bounded, and never the wrong thing."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentkeys.documents import credential_variables, place_variables
from agentkeys.leases import Freshness
from agentkeys.provider.held import HeldCredential, HeldCredentials
from agentkeys.provider.settings import MANY, Setting, Settings
from agentkeys.served import read_served
from tests.support.moved_clock import SAMPLE_NOW, MovedClock
from tests.support.profiles import PROFILE, a_lease, a_profile
from tests.support.providing import config_of

OVER_AFTER = timedelta(minutes=5)


def held_credential(
    number: int, *, token_lifetime: timedelta = timedelta(hours=8)
) -> HeldCredential:
    lease = a_lease(number=number)
    variables = credential_variables(lease)
    variables |= place_variables(PROFILE, lease, inherited_region=None)
    return HeldCredential(lease, read_served(variables), SAMPLE_NOW + token_lifetime)


def key(number: int) -> bytes:
    return b"%d" % number


@pytest.fixture
def held() -> HeldCredentials:
    """Of three at most."""
    return HeldCredentials(limit=3, clock=MovedClock())


def numbers(held: HeldCredentials) -> set[int]:
    return {number for number in range(10) if held.get(key(number))}


def test_the_least_recently_used_goes(held: HeldCredentials) -> None:
    """Being asked for is being used."""
    for number in (1, 2, 3):
        held.keep(key(number), held_credential(number))
    held.get(key(1))
    held.keep(key(4), held_credential(4))
    assert numbers(held) == {1, 3, 4}
    assert len(held) == 3


def test_what_is_over_goes_first() -> None:
    """Its secrets are not kept until there is no room for others."""
    clock = MovedClock()
    held = HeldCredentials(limit=10, clock=clock)
    for number in (1, 2):
        held.keep(key(number), held_credential(number, token_lifetime=OVER_AFTER))
    held.keep(key(3), held_credential(3))
    clock.move(OVER_AFTER)
    held.keep(key(4), held_credential(4))
    assert numbers(held) == {3, 4}


def test_what_has_gone_cannot_be_dropped(held: HeldCredentials) -> None:
    """Nor what has been replaced: its successor stays."""
    held.keep(key(1), held_credential(1))
    held.keep(key(1), held_credential(2))
    assert not held.drop("ASIA0000000000000001")
    assert held.drop("ASIA0000000000000002")
    assert len(held) == 0


def test_one_key_for_two_tokens_is_dropped_with_the_later_one(held: HeldCredentials) -> None:
    """No store gives the same access key twice; if one does, nothing breaks."""
    for number in (1, 2):
        held.keep(key(number), held_credential(7))
    assert [held.drop("ASIA0000000000000007") for _ in range(2)] == [True, False]
    assert numbers(held) == {1}
    held.keep(key(3), held_credential(7))
    held.keep(key(1), held_credential(1))
    assert held.drop("ASIA0000000000000007")
    assert numbers(held) == {1}


def test_a_held_credential_ends_with_its_token() -> None:
    """Or with its lease, whichever is first."""
    clock = MovedClock()
    found = held_credential(1, token_lifetime=OVER_AFTER)
    assert found.freshness(clock) is Freshness.FRESH
    clock.move(OVER_AFTER)
    assert found.freshness(clock) is Freshness.OVER


@given(
    st.integers(1, 120),
    st.integers(1, 120),
    st.integers(-10, 10),
    st.integers(0, 130),
    st.integers(),
)
def test_the_quick_look_says_the_same(
    lifetime: int, token_lifetime: int, skew: int, age: int, set_by: int
) -> None:
    """Whatever the clocks do: what is fresh at a glance is so by all the rules."""
    clock = MovedClock()
    lease = replace(a_lease(lifetime=timedelta(minutes=lifetime)), skew=timedelta(minutes=skew))
    found = HeldCredential(
        lease, held_credential(1).served, SAMPLE_NOW + timedelta(minutes=token_lifetime, seconds=1)
    )
    clock.move(timedelta(minutes=age))
    clock.set_wall(timedelta(minutes=set_by % 60 - 30))
    assert found.is_fresh(clock) == (found.freshness(clock) is Freshness.FRESH)


# keys

TOKENS = st.text(min_size=1, max_size=60)


def test_any_number_of_profile_objects_can_be_asked_for() -> None:
    """Not all of them are known by heart, and each has its own setting all the same."""
    settings = Settings(config=config_of(), environ=None, clock=MovedClock())
    profiles = [a_profile(name=f"p{number}") for number in range(MANY + 1)]
    for profile in (*profiles, profiles[0], profiles[-1]):
        assert settings.find(profile).profile is profile


@given(TOKENS, TOKENS)
def test_different_tokens_have_different_keys(one: str, other: str) -> None:
    """Of any content, half surrogate pairs included."""
    setting = Setting.of(PROFILE)
    assert (setting.key(one) == setting.key(other)) == (one == other)


@given(TOKENS, TOKENS, TOKENS)
def test_different_profiles_have_different_keys(token: str, one: str, other: str) -> None:
    """No token of one can be made to look like one of the other."""
    first, second = (Setting.of(a_profile(name=name)) for name in (one, other))
    assert (first.key(token) == second.key(token)) == (one == other)


@given(
    st.integers(min_value=1, max_value=5),
    st.lists(st.tuples(st.sampled_from(["keep", "get", "drop"]), st.integers(0, 9)), max_size=60),
)
def test_nobody_ever_gets_what_is_held_for_another(
    limit: int, steps: list[tuple[str, int]]
) -> None:
    """Whatever happens in whatever order; and never more is held than may be."""
    held = HeldCredentials(limit=limit, clock=MovedClock())
    for step, number in steps:
        if step == "keep":
            held.keep(key(number), held_credential(number))
        elif step == "drop":
            assert held.drop(f"ASIA{number:016d}") or True
            assert held.get(key(number)) is None
        found = held.get(key(number))
        assert found is None or found.lease == a_lease(number=number)
        assert len(held) <= limit
