"""Which of two leases an ask gets: the newer one, or the one that the asker just had."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from agentkeys.leases import Lease
from agentkeys.leases.schedule import dying_below
from agentkeys_daemon import repeating
from agentkeys_daemon.repeating import Repeats
from tests.support.moved_clock import MovedClock
from tests.support.profiles import a_lease
from tests.support.tokens import BOB

FIRST, SECOND = a_lease(), a_lease(number=2)


class Asking:
    """One asker, and how long it takes between two of its asks."""

    def __init__(self) -> None:
        self.clock = MovedClock()
        self.repeats = Repeats(clock=self.clock)

    def after(self, seconds: float, newest: Lease, asker: str = "run") -> Lease:
        self.clock.move(timedelta(seconds=seconds))
        return self.repeats.answer(asker, newest)


def test_asks_that_come_close_together_get_the_same() -> None:
    """Although a newer lease has come between them."""
    asking = Asking()
    assert asking.after(0, FIRST) is FIRST
    assert asking.after(0.1, SECOND) is FIRST
    assert asking.after(0.1, SECOND) is FIRST


def test_a_pause_brings_the_newer_one() -> None:
    """What was read before it is not put together with what is read after it."""
    asking = Asking()
    asking.after(0, FIRST)
    assert asking.after(5, SECOND) is SECOND
    asking.after(0, FIRST, "another")
    assert asking.after(4.9, SECOND, "another") is FIRST


def test_a_lease_without_a_newer_one_stays() -> None:
    """However often it is asked for."""
    asking = Asking()
    assert all(asking.after(1, FIRST) is FIRST for _ in range(100))
    assert asking.after(1, SECOND) is FIRST


def test_each_asker_has_its_own() -> None:
    """One who asks for the first time gets the newest at once."""
    asking = Asking()
    asking.after(0, FIRST)
    assert asking.after(0, SECOND, "another") is SECOND
    assert asking.after(0, SECOND) is FIRST


def test_whoever_never_stops_asking_gets_the_newer_one_within_half_a_minute() -> None:
    """And has it in a pause between its readings, not in the midst of one."""
    asking = Asking()
    asking.after(0, FIRST)
    pauses = (0.4, 0.001, 0.001)
    readings = [[asking.after(pause, SECOND) for pause in pauses] for _ in range(100)]
    assert all(one is two is three for one, two, three in readings)
    switched = next(number for number, reading in enumerate(readings) if reading[0] is SECOND)
    assert 60 < switched <= 30 / 0.402


def test_a_lease_that_is_dying_is_not_given_again() -> None:
    """Some clients would use it to its last second."""
    asking = Asking()
    lease = a_lease(lifetime=timedelta(seconds=10))
    newer = a_lease(number=2)
    assert asking.after(7, lease) is lease
    assert asking.after(0.01, newer) is lease
    assert asking.after(0.5, newer) is newer


def test_a_reading_is_not_torn_for_a_lease_that_is_dying() -> None:
    """Its parts follow at once; with less than a second left it goes in any case."""
    asking = Asking()
    lease = a_lease(lifetime=timedelta(seconds=10))
    newer = a_lease(number=2)
    assert asking.after(8.5, lease) is lease
    assert asking.after(0.2, newer) is lease
    assert asking.after(0.2, newer) is lease
    assert asking.after(0.2, newer) is newer


def test_nobody_gets_what_was_somebody_elses() -> None:
    """A login between two asks, of which nobody has told us."""
    asking = Asking()
    asking.after(0, FIRST)
    bobs = a_lease(BOB, number=2)
    assert asking.after(0.1, bobs) is bobs


def test_a_user_of_another_issuer_is_another() -> None:
    """Issuers know nothing of each other's names."""
    asking = Asking()
    asking.after(0, FIRST)
    theirs = replace(SECOND, claims={**SECOND.claims, "iss": "https://another.example.com"})
    assert asking.after(0.1, theirs) is theirs


def test_what_was_forgotten_is_not_given_again() -> None:
    """By any asker, or by the one who ends."""
    asking = Asking()
    asking.after(0, FIRST)
    asking.after(0, FIRST, "another")
    asking.repeats.drop("run")
    asking.repeats.drop("nobody")
    assert asking.after(0.1, SECOND) is SECOND
    assert asking.after(0, SECOND, "another") is FIRST
    asking.repeats.clear()
    assert asking.after(0, SECOND, "another") is SECOND


def test_nothing_is_kept_that_nobody_can_be_given_again() -> None:
    """Those who have not asked for long are gone as soon as others ask, and there is a limit."""
    asking = Asking()
    for number in range(100):
        asking.after(1, FIRST, str(number))
    assert len(asking.repeats) <= 6
    for number in range(repeating.MOST_ASKERS + 100):
        asking.after(0, FIRST, str(number))
    assert len(asking.repeats) == repeating.MOST_ASKERS


PAUSES = st.floats(0, 7, allow_nan=False)
ASKS = st.lists(st.tuples(PAUSES, st.booleans()), min_size=2, max_size=60)
"""Seconds since the ask before, and whether a newer lease has come since."""
LIFETIMES = st.integers(8, 4000).map(lambda seconds: timedelta(seconds=seconds))


@settings(deadline=None)  # other programs may take the machine's time
@given(ASKS, LIFETIMES)
def test_whatever_is_given_was_right_a_moment_ago(
    asks: list[tuple[float, bool]], lifetime: timedelta
) -> None:
    """The newest, or the one given before: in time, for a little while, never at its very end."""
    asking = Asking()
    number, came_at = 1, {1: 0.0}
    newest = before = asking.after(0, a_lease(lifetime=lifetime))
    for pause, is_renewed in asks:
        if is_renewed:
            number += 1
            now = asking.clock.now()
            newest = a_lease(number=number, minted_at=now, lifetime=lifetime)
            came_at[number] = asking.clock.monotonic()
        answer = asking.after(pause, newest)
        assert answer in (newest, before)
        if answer != newest:
            assert pause < repeating.CLOSE_SECONDS
            _assert_good(answer, asking.clock, pause)
            outdated_at = came_at[_number(answer) + 1]
            # It counts from the first ask after the newer one came, which was close as well.
            longest = repeating.LONGEST_SECONDS + repeating.CLOSE_SECONDS
            assert asking.clock.monotonic() - outdated_at < longest
        before = answer


@settings(deadline=None)
@given(st.lists(st.floats(0.02, 2), min_size=1, max_size=50), st.floats(0, 0.001))
def test_the_parts_of_one_reading_belong_together(pauses: list[float], gap: float) -> None:
    """Three asks within a moment get one lease, however many readings there are and how close."""
    asking = Asking()
    asking.after(0, FIRST)
    for readings_pause in pauses * 3:
        parts = [asking.after(pause, SECOND) for pause in (readings_pause, gap, gap)]
        assert _are_one(parts)


def _are_one(leases: Iterable[Lease]) -> bool:
    return all(one is other for one, other in pairwise(leases))


def _assert_good(lease: Lease, clock: MovedClock, pause: float) -> None:
    is_reading = pause < repeating.READING_SECONDS
    least = repeating.LEAST if is_reading else dying_below(lease.lifetime)
    assert lease.remaining(clock) >= least


def _number(lease: Lease) -> int:
    return int(lease.credentials.access_key_id.removeprefix("ASIA"))
