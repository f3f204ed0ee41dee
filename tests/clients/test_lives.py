"""Programs that live longer than their credentials."""

from __future__ import annotations

import pytest

from tests.clients.ahead import Ahead
from tests.clients.clients import Answers, Client, Door, cases, client_named
from tests.clients.doors import LEASE, Place, play


@pytest.mark.parametrize(("client", "door"), cases(Answers, "process", "endpoint"))
def test_no_call_fails_across_three_leases(lives: Ahead, client: Client, door: Door) -> None:
    """One process asks again by itself, whichever way its SDK decides when."""
    played = lives.of(client, door)
    assert played.steps == {"live": ""}, played.text
    assert played.seconds > 3 * LEASE.total_seconds()


def test_variables_last_as_long_as_their_lease(short_place: Place) -> None:
    """A program cannot see them change: this is what the other doors are for."""
    seconds = str(LEASE.total_seconds() + 4)
    played = play(short_place, client_named("boto3"), "environment", "live", seconds)
    assert "expired" in played.steps["live"]
