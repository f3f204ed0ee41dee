"""What the person who uses a client sees when we have no credentials for it."""

from __future__ import annotations

import pytest

from tests.clients.ahead import Ahead
from tests.clients.clients import Answers, Client, Door, cases, client_named
from tests.clients.doors import HINT, Place, log_out, open_door, play_after


@pytest.mark.parametrize(("client", "door"), cases(Answers, "process"))
def test_the_shims_hint_is_shown_or_lost_as_expected(
    shims: Ahead, client: Client, door: Door
) -> None:
    """By the client itself, or on the standard error that it lets through."""
    played = shims.of(client, door)
    assert played.steps["get"]
    expected = client.process
    assert isinstance(expected, Answers)
    assert (HINT in played.text) == expected.tells, played.text


def test_node_tells_it_where_the_process_is_named_in_code(logged_out: Place) -> None:
    """Its chain tries one provider after the other, and forgets why each failed."""
    client = client_named("AWS SDK for JavaScript")
    argv, environment = open_door(logged_out, client, "process")
    named = {"JOB_PROVIDER": "process"}
    done = logged_out.home.run(*argv, "ask", env=environment | named)
    assert HINT in done.stdout


def test_exec_says_it_itself(logged_out: Place) -> None:
    """Whatever the client is: it is not even started."""
    for options in ([], ["--refresh"]):
        done = logged_out.home.run("agentkeys", "exec", *options, "--", "touch", "started")
        assert (done.status, done.stdout) == (125, "")
        assert done.complaint()[1].startswith(HINT)
    assert not (logged_out.home.work / "started").exists()


@pytest.mark.parametrize(("client", "door"), cases(Answers, "endpoint"))
def test_what_the_endpoint_says_is_shown_or_lost_as_expected(
    leaving: Place, client: Client, door: Door
) -> None:
    """To a program that was started while somebody was logged in, and asks afterwards."""
    played = play_after(log_out, leaving, client, door, "ask")
    assert played.steps["get"]
    expected = client.endpoint
    assert isinstance(expected, Answers)
    assert (HINT in played.text) == expected.tells, played.text
