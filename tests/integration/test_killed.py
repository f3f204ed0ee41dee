"""A daemon killed with SIGKILL at any point leaves nothing that the next one cannot use."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.killing import MOMENTS, Kills, kill_at, kill_at_random_points
from tests.support.offspring import Offspring
from tests.support.place import Place, new_place
from tests.support.tokens import ALICE, BOB

ROUNDS = 20


@pytest.fixture
def place(daemons: Offspring) -> Iterator[Place]:
    with new_place(ALICE, BOB) as found:
        yield found


@pytest.mark.parametrize("moment", MOMENTS)
def test_the_next_command_works_after_a_kill(place: Place, daemons: Offspring, moment: str) -> None:
    """While programs ask, log in and look; each of them ends well, and one daemon serves then."""
    kills = Kills()
    kill_at(MOMENTS[moment], place, daemons, kills)
    assert kills.rounds == 1


def test_the_next_command_works_after_kills_at_random_points(
    place: Place, daemons: Offspring
) -> None:
    """From its birth to its first mints and writes, each upon what the one before left behind."""
    kills = kill_at_random_points(place, daemons, rounds=ROUNDS)
    assert kills.rounds == ROUNDS
