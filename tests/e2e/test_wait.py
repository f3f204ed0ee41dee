"""`agentkeys wait`: returns once credentials last long enough, and says what it waits for."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from datetime import timedelta

import pytest

from tests.fakes.broker import FakeBroker
from tests.fakes.sts import FakeSts
from tests.support.place import SHIM, Place, place_in
from tests.support.programs import Home, read_line
from tests.support.tokens import ALICE

WAIT = ["agentkeys", "wait", "--min-ttl", "20m"]


@pytest.fixture
def place(warm_home: Home) -> Iterator[Place]:
    """A default profile `data` whose store gives an hour; no lease is held."""
    warm_home.succeed("agentkeys", "daemon", "start")
    with place_in(warm_home) as found:
        found.tables["default_profile"] = "data"
        found.configure()
        yield found


def test_a_cold_profile_is_minted(place: Place) -> None:
    """And then it lasts, as status finds too."""
    said = place.home.succeed(*WAIT)
    assert said == "data: credentials for 59m\n"
    place.home.succeed(*WAIT)
    place.home.succeed("agentkeys", "status", "--min-ttl", "20m")
    assert len(place.sts.requests) == 1


def test_as_json_it_ends_with_the_status(place: Place) -> None:
    """Of the profile, as `status --json` has it."""
    document = json.loads(place.home.succeed(*WAIT, "--json"))
    assert document["profiles"][0]["expires_in_seconds"] >= 1200
    again = json.loads(place.home.succeed("agentkeys", "status", "--json", "-p", "data"))
    assert list(document) == list(again)
    assert [profile["name"] for profile in document["profiles"]] == ["data"]


@pytest.mark.parametrize(
    ("argv", "env"),
    [(["other"], {}), (["-p", "other"], {}), ([], {"AGENTKEYS_PROFILE": "other"})],
)
def test_it_is_about_the_named_profile(place: Place, argv: list[str], env: dict[str, str]) -> None:
    """Or that of AGENTKEYS_PROFILE."""
    place.tables["profiles"]["other"] = place.sound_profile()
    place.configure()
    assert place.home.succeed(*WAIT, *argv, env=env).startswith("other: ")


def test_it_starts_the_daemon(place: Place) -> None:
    """Which then has to be logged in to, for want of a keyring."""
    place.home.succeed("agentkeys", "daemon", "stop")
    done = place.home.run(*WAIT, "--timeout", "2s")
    assert done.status == 3
    assert "waiting: nobody is logged in as me" in done.stderr
    assert place.home.daemon_pid()


def test_a_login_at_another_terminal_ends_the_wait(place: Place) -> None:
    """It says once what somebody has to do."""
    place.log_out()
    with place.home.start(*WAIT) as waiting:
        assert read_line(waiting.stderr) == "agentkeys: waiting: nobody is logged in as me"
        assert read_line(waiting.stderr) == "agentkeys: hint: run: agentkeys login me"
        place.log_in()
        assert waiting.wait(timeout=30) == 0
        assert waiting.stdout
        assert waiting.stdout.read() == "data: credentials for 59m\n"
        assert waiting.stderr
        assert waiting.stderr.read() == ""


def test_a_store_that_comes_back_ends_the_wait(place: Place) -> None:
    """The daemon's memory of the failure keeps the calls few."""
    for _ in range(4):
        place.sts.answer_with(503)
    with place.home.start(*WAIT) as waiting:
        assert read_line(waiting.stderr).startswith("agentkeys: waiting: STS cannot be used now")
        assert waiting.wait(timeout=60) == 0
    assert len(place.sts.requests) == 5


def test_a_timeout_is_status_3(place: Place) -> None:
    """After what it waited for, one error and one hint."""
    place.log_out()
    done = place.home.run(*WAIT, "--timeout", "1s")
    assert (done.status, done.stdout) == (3, "")
    *_, error, hint = done.stderr.splitlines()
    assert "long enough" in error
    assert error.startswith("agentkeys: error: ")
    assert hint == "agentkeys: hint: run: agentkeys status"


def test_a_stuck_mint_does_not_outlast_the_timeout(place: Place) -> None:
    """Though an answer would be waited for longer otherwise."""
    with place.sts.stuck():
        done = place.home.run(*WAIT, "--timeout", "1s", patience=15)
    assert (done.status, done.stdout) == (3, "")
    done.complaint()


def test_sessions_that_are_too_short_end_it_at_once(warm_home: Home) -> None:
    """It names what the store gives; no second mint is tried."""
    warm_home.succeed("agentkeys", "daemon", "start")
    with FakeBroker(ALICE) as broker, FakeSts("aws", longest=timedelta(minutes=16)) as sts:
        place = Place(warm_home, broker, sts)
        place.configure()
        place.log_in()
        done = warm_home.run(*WAIT, "data")
        assert (done.status, done.stdout) == (1, "")
        error, hint = done.complaint()
        assert error == "lab gives data credentials for 15m 59s only, less than 20m"
        assert "duration" in hint
        assert len(sts.requests) == 1
        assert warm_home.succeed("agentkeys", "wait", "data", "--min-ttl", "15m")


def test_all_of_a_session_cannot_be_had(place: Place) -> None:
    """A moment of it has passed when it arrives: an error, and no mint after mint."""
    done = place.home.run("agentkeys", "wait", "--min-ttl", "1h")
    assert (done.status, done.stdout) == (1, "")
    assert done.complaint()[0].endswith("credentials for 59m 59s only, less than 1h")
    assert len(place.sts.requests) == 1


def test_a_lease_that_lasts_too_little_is_replaced(place: Place) -> None:
    """Though it is good enough for everybody else."""
    place.home.succeed(SHIM)
    place.home.succeed("agentkeys", "wait", "--min-ttl", "59m")
    assert len(place.sts.requests) == 1
    place.home.run("agentkeys", "wait", "--min-ttl", "1h")
    assert len(place.sts.requests) == 2


def test_an_unknown_profile_ends_it_at_once(place: Place) -> None:
    """As for every command."""
    done = place.home.run(*WAIT, "dta")
    assert (done.status, done.stdout) == (1, "")
    assert done.complaint() == ("there is no profile 'dta'", "did you mean data?")


def test_a_refusal_ends_it_at_once(place: Place) -> None:
    """Nobody here can mend the role."""
    place.sts.refuse_with(403, "AccessDenied")
    done = place.home.run(*WAIT)
    assert (done.status, done.stdout) == (1, "")
    assert "refused to assume" in done.complaint()[0]


@pytest.mark.parametrize(
    ("argv", "error"),
    [
        (["wait"], "missing option '--min-ttl'"),
        (["wait", "--min-ttl", "20"], "'20' is not a duration"),
        (["wait", "--min-ttl", "20m", "--timeout", "soon"], "'soon' is not a duration"),
        (["wait", "--min-ttl", "20m", ""], "it is empty"),
        (["wait", "--min-ttl", "20m", "a", "-p", "b"], "the profile is named twice"),
    ],
)
def test_a_mistake_is_told(place: Place, argv: list[str], error: str) -> None:
    """Status 2, and nothing is waited for."""
    done = place.home.run("agentkeys", *argv)
    assert (done.status, done.stdout) == (2, "")
    assert error in done.complaint()[0]


def test_ctrl_c_ends_it(place: Place) -> None:
    """Without a traceback."""
    place.log_out()
    with place.home.start(*WAIT) as waiting:
        read_line(waiting.stderr)
        waiting.send_signal(signal.SIGINT)
        assert waiting.wait(timeout=30) == 130
        assert waiting.stderr
        assert "Traceback" not in waiting.stderr.read()
