"""What `exec` tells a person about a store with short sessions, and whom it tells nothing."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from urllib.parse import unquote

import pytest

from agentkeys.protocol import NOTICE_HEADER, TERMINAL_HEADER
from tests.fakes.broker import FakeBroker
from tests.fakes.sts import FakeSts
from tests.support.place import SHIM, Place, place_in
from tests.support.programs import Home, new_home
from tests.support.raw_http import ask
from tests.support.tokens import ALICE

NOTE = (
    "agentkeys: note: lab gives credentials for 16m only: AWS SDKs ask again at every call when"
    " less than 15m are left\n"
    "agentkeys: hint: raise the longest session of the role or store to 20m or more\n"
)


@pytest.fixture(scope="module")
def home() -> Iterator[Home]:
    with new_home() as found:
        yield found


@pytest.fixture
def place(home: Home) -> Iterator[Place]:
    """Two profiles at a store that gives 16 minutes, and a daemon that has told nothing yet."""
    home.succeed("agentkeys", "daemon", "restart")
    with FakeBroker(ALICE) as broker, FakeSts("aws", longest=timedelta(minutes=16)) as sts:
        found = Place(home, broker, sts)
        found.tables["profiles"]["other"] = found.sound_profile()
        found.configure()
        found.log_in()
        yield found


def seen_at_terminal(home: Home, *argv: str) -> str:
    with home.at_terminal(*argv) as terminal:
        done = terminal.finish()
    assert done.status == 0, done
    return done.stdout


def execute(place: Place, profile: str = "data") -> str:
    """What a person sees who has `exec` run `echo ran`."""
    return seen_at_terminal(place.home, "agentkeys", "exec", "-p", profile, "--", "echo", "ran")


def test_a_person_is_told_once_for_each_profile(place: Place) -> None:
    """Before the program runs, with what to do."""
    assert execute(place) == f"{NOTE}ran\n"
    assert execute(place) == "ran\n"
    assert execute(place, "other") == f"{NOTE}ran\n"
    assert execute(place, "other") == "ran\n"


def test_a_new_daemon_tells_it_again(place: Place) -> None:
    """It remembers nothing of what the last one said."""
    assert execute(place).startswith(NOTE)
    place.home.succeed("agentkeys", "daemon", "restart")
    place.log_in()
    assert execute(place).startswith(NOTE)


def test_programs_are_told_nothing(place: Place) -> None:
    """Their standard error is their child's alone, and the person is still to be told."""
    for _ in range(2):
        done = place.home.run("agentkeys", "exec", "-p", "data", "--", "echo", "ran")
        assert (done.status, done.stdout, done.stderr) == (0, "ran\n", "")
    assert execute(place).startswith(NOTE)


def test_it_is_standard_error_that_counts(place: Place) -> None:
    """A log of errors stays clean even where the rest is on a terminal, and the other way round."""
    run = "agentkeys exec -p data -- echo ran"
    script = f"{run} 2>errors; cat errors; {run} >output"
    assert seen_at_terminal(place.home, "sh", "-c", script) == f"ran\n{NOTE}"
    assert (place.home.work / "output").read_text() == "ran\n"


@pytest.mark.parametrize("argv", [[SHIM], ["agentkeys", "credential-process"]], ids=" ".join)
def test_credential_process_tells_nothing(place: Place, argv: list[str]) -> None:
    """At a terminal neither: its callers show or swallow what it says."""
    assert seen_at_terminal(place.home, *argv, "-p", "data").startswith('{"Version": 1')
    assert execute(place).startswith(NOTE)


def test_where_sessions_are_long_there_is_nothing_to_tell(home: Home) -> None:
    """An hour is long."""
    home.succeed("agentkeys", "daemon", "start")
    with place_in(home) as place:
        assert execute(place) == "ran\n"


@pytest.mark.parametrize(("sent", "is_told"), [({}, False), ({TERMINAL_HEADER: "yes"}, True)])
def test_only_who_asks_for_it_gets_the_header(
    place: Place, sent: dict[str, str], is_told: bool
) -> None:
    """It is one line of ASCII, whatever the notice holds; there are others that all get."""
    answer = ask(place.home, "POST", "/v1/profiles/data/runs", headers=sent)
    assert answer.status == 200
    notice = answer.headers.get(NOTICE_HEADER)
    assert (notice is not None) is is_told
    if notice:
        assert unquote(notice).startswith("lab gives credentials")
        assert notice.isascii()
        assert notice.isprintable()
    assert answer.headers["cache-control"] == "no-store"
