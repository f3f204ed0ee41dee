"""Real clients, through each door, against a real store that confines them."""

from __future__ import annotations

import re

import pytest

from tests.clients.ahead import Ahead
from tests.clients.clients import Answers, Client, Door, Refuses, cases

OWN = ("put", "get", "list")
ELSEWHERE = ("put elsewhere", "get elsewhere", "list elsewhere")
REFUSED = re.compile(r"access.?denied|forbidden|\b403\b", re.IGNORECASE)


@pytest.mark.parametrize(("client", "door"), cases(Refuses))
def test_a_client_fails_at_a_door_that_it_does_not_know(
    once: Ahead, client: Client, door: Door
) -> None:
    """It finds no credentials there, and nothing that it says is ours."""
    played = once.of(client, door)
    assert set(played.steps) == {"put"}
    assert played.steps["put"]
    assert "agentkeys:" not in played.text


@pytest.mark.parametrize(("client", "door"), cases(Answers))
def test_a_client_works_below_its_own_prefix_and_nowhere_else(
    once: Ahead, client: Client, door: Door
) -> None:
    """It writes, reads and lists; elsewhere the store refuses it, and it says so."""
    played = once.of(client, door)
    assert {step: played.steps.get(step) for step in OWN} == dict.fromkeys(OWN, ""), played.text
    for step in ELSEWHERE:
        assert REFUSED.search(played.steps[step]), (step, played.text)
