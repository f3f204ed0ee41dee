"""`agentkeys status` as people read it and scripts ask it: once, live, and by its exit status."""

from __future__ import annotations

import json
import os
import re
import signal
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from tests.fakes.broker import FakeBroker
from tests.fakes.sts import FakeSts
from tests.support.place import ROLE, SHIM, Place, place_in
from tests.support.programs import Home, read_line
from tests.support.tokens import ALICE

LONG_NAME = "the-nightly-backup-of-all-that-we-have"
WATCH = ["agentkeys", "status", "--watch"]
AT_SCREEN = {"TERM": "xterm", "COLUMNS": "80", "LINES": "24"}
OTHER_SCREEN, FIRST_SCREEN = "\x1b[?1049h", "\x1b[?1049l"
SHOW_CURSOR = "\x1b[?25h"


@pytest.fixture
def place(warm_home: Home) -> Iterator[Place]:
    """Two profiles, the default one with a short name and no lease; the daemon runs."""
    warm_home.succeed("agentkeys", "daemon", "start")
    with place_in(warm_home) as found:
        found.tables["default_profile"] = "data"
        found.tables["profiles"][LONG_NAME] = found.sound_profile(role_arn=f"{ROLE}/{LONG_NAME}")
        found.configure()
        yield found


@pytest.fixture
def short_place(warm_home: Home) -> Iterator[Place]:
    """A store that gives 16 minutes, and no more."""
    warm_home.succeed("agentkeys", "daemon", "start")
    with FakeBroker(ALICE) as broker, FakeSts("aws", longest=timedelta(minutes=16)) as sts:
        found = Place(warm_home, broker, sts)
        found.tables["default_profile"] = "data"
        found.configure()
        found.log_in()
        yield found


def rows(shown: str) -> dict[str, list[str]]:
    """The table by profile, its cells as they are on the screen."""
    head, *lines = shown.splitlines()
    assert " ".join(head.split()) == "PROFILE WHO ROLE KEY EXPIRES IN REFRESH IN STATE"
    cells = [re.split(r"  +", line.strip()) for line in lines]
    return {cell[0]: cell[1:] for cell in cells if len(cell) == 7}


# for people


def test_a_lease_is_one_row_with_what_is_left(place: Place) -> None:
    """Its holder by both ends, and when it ends and is refreshed."""
    key = json.loads(place.home.succeed(SHIM))["AccessKeyId"]
    row = rows(place.home.succeed("agentkeys", "status"))["data*"]
    who, role, ending, expires, refresh, state = row
    assert who == f"{ALICE.wallet[:6]}…{ALICE.wallet[-4:]}"
    assert (role, ending, expires, state) == ("data", f"…{key[-4:]}", "59m", "fresh")
    assert refresh == "due" or re.fullmatch(r"\d+[ms]", refresh)


def test_where_nothing_is_held_there_is_nothing_to_tell(place: Place) -> None:
    """A dash each."""
    row = rows(place.home.succeed("agentkeys", "status"))["data*"]
    assert row[1:] == ["data", "-", "-", "-", "none"]


def test_a_narrow_terminal_cuts_names_and_nothing_else(place: Place) -> None:
    """80 columns: a line for each profile, headers and times whole."""
    for profile in ("data", LONG_NAME):
        place.home.succeed(SHIM, "--profile", profile)
    with place.home.at_terminal("agentkeys", "status", env=AT_SCREEN | {"NO_COLOR": "1"}) as screen:
        shown = re.sub(r"\x1b\[[0-9;]*m", "", screen.finish().stdout)
    assert all(len(line) <= 80 for line in shown.splitlines())
    cut = next(name for name in rows(shown) if name.endswith("…"))
    assert LONG_NAME.startswith(cut.removesuffix("…"))
    assert [row[3] for row in rows(shown).values()] == ["59m", "59m"]


def test_into_a_file_everything_is_written_out(place: Place) -> None:
    """Names are whole there, and a message is one line."""
    place.sts.refuse_with(403, "AccessDenied", "because " * 40)
    place.home.run(SHIM, "--profile", LONG_NAME)
    shown = place.home.succeed("agentkeys", "status")
    assert LONG_NAME in rows(shown)
    (line,) = (line for line in shown.splitlines() if "STS refused" in line)
    assert line.startswith(f"{LONG_NAME}: ")
    assert "because because" in line


def test_a_notice_is_a_line_with_what_to_do(short_place: Place) -> None:
    """Once, as long as there is a reason."""
    assert "only" not in short_place.home.succeed("agentkeys", "status")
    short_place.home.succeed(SHIM)
    shown = short_place.home.succeed("agentkeys", "status")
    (line,) = (line for line in shown.splitlines() if line.startswith("data: "))
    assert line.startswith("data: lab gives credentials for 16m only: ")
    assert line.endswith("(raise the longest session of the role or store to 20m or more)")


def test_on_a_terminal_a_notice_is_yellow(short_place: Place) -> None:
    """And an error is red."""
    short_place.home.succeed(SHIM)
    with short_place.home.at_terminal("agentkeys", "status", env=AT_SCREEN) as screen:
        assert "\x1b[33mdata: lab gives credentials" in screen.finish().stdout


# as an exit status


@pytest.mark.parametrize(
    ("asked", "status"), [("1m", 0), ("58m", 0), ("900s", 0), ("1h", 3), ("100h", 3)]
)
def test_min_ttl_answers_whether_the_lease_lasts(place: Place, asked: str, status: int) -> None:
    """With the same output either way, which is that of the profile."""
    place.home.succeed(SHIM)
    done = place.home.run("agentkeys", "status", "--min-ttl", asked)
    assert (done.status, done.stderr) == (status, "")
    assert list(rows(done.stdout)) == ["data*"]
    as_json = place.home.run("agentkeys", "status", "--json", "--min-ttl", asked)
    assert (as_json.status, as_json.stderr) == (status, "")
    assert [profile["name"] for profile in json.loads(as_json.stdout)["profiles"]] == ["data"]


def test_min_ttl_is_about_the_named_profile(place: Place) -> None:
    """Or that of AGENTKEYS_PROFILE, or the default one; nothing is minted for it."""
    place.home.succeed(SHIM, "--profile", LONG_NAME)
    ask = ["agentkeys", "status", "--min-ttl", "20m"]
    assert place.home.run(*ask).status == 3
    assert place.home.run(*ask, "--profile", LONG_NAME).status == 0
    assert place.home.run(*ask, env={"AGENTKEYS_PROFILE": LONG_NAME}).status == 0
    assert place.home.run(*ask, "-p", "data", env={"AGENTKEYS_PROFILE": LONG_NAME}).status == 3
    assert len(place.sts.requests) == 1


def test_min_ttl_of_an_unknown_profile_is_an_error(place: Place) -> None:
    """Rather than a lease that does not last."""
    done = place.home.run("agentkeys", "status", "--min-ttl", "20m", "--profile", "dta")
    assert (done.status, done.stdout) == (1, "")
    assert done.complaint() == ("there is no profile 'dta'", "did you mean data?")


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_min_ttl_without_a_daemon_is_not_enough(home: Home, options: list[str]) -> None:
    """It says what status says, and starts none."""
    plain = home.succeed("agentkeys", "status", *options)
    done = home.run("agentkeys", "status", "--min-ttl", "20m", *options)
    assert (done.status, done.stdout, done.stderr) == (3, plain, "")
    assert not home.socket.parent.exists()


@pytest.mark.parametrize("asked", ["20", "20x", "", "0s", "-5m", "1h 5m", "9999999h", "9" * 5000])
def test_a_duration_is_written_as_in_the_configuration(home: Home, asked: str) -> None:
    """Whatever else it may be is a mistake, and the hint says how to write it."""
    done = home.run("agentkeys", "status", f"--min-ttl={asked}")
    assert (done.status, done.stdout) == (2, "")
    error, hint = done.complaint()
    assert "--min-ttl" in error
    assert hint == "write it as 20m, 1h, 1h30m or 900s"


def test_watching_has_no_such_end(home: Home) -> None:
    """The two options are a mistake together."""
    done = home.run(*WATCH, "--min-ttl", "20m")
    assert (done.status, done.stdout) == (2, "")
    assert done.complaint()[0] == "--watch and --min-ttl do not go together"


# live, for programs


def state_in(line: str) -> Any:
    document = json.loads(line)
    return document["profiles"][0]["state"] if document["daemon"] else None


def test_as_json_a_line_comes_whenever_something_changes(home: Home) -> None:
    """At once, though it is a pipe; the daemon is not started, only noticed."""
    with home.start(*WATCH, "--json") as watching:
        assert json.loads(read_line(watching.stdout))["daemon"] is None
        assert not home.socket.parent.exists()
        home.succeed("agentkeys", "daemon", "start")
        assert json.loads(read_line(watching.stdout))["daemon"]["pid"] == home.daemon_pid()
        home.succeed("agentkeys", "daemon", "stop")
        assert json.loads(read_line(watching.stdout))["daemon"] is None
        watching.send_signal(signal.SIGINT)
        assert watching.wait(timeout=20) == 0
        assert watching.stderr
        assert watching.stderr.read() == ""


def test_time_that_goes_by_is_no_change(place: Place) -> None:
    """Nor is the daemon's memory: the next line comes with the next lease."""
    with place.home.start(*WATCH, "--json") as watching:
        assert state_in(read_line(watching.stdout)) == "none"
        place.home.succeed(SHIM)
        first = read_line(watching.stdout)
        assert state_in(first) == "fresh"
        place.home.succeed("agentkeys", "forget", "data")
        assert state_in(read_line(watching.stdout)) == "none"
        watching.send_signal(signal.SIGINT)


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_it_ends_when_nobody_reads_any_more(place: Place, options: list[str]) -> None:
    """Quietly, and though nothing changes that it would have to write."""
    with place.home.start(*WATCH, *options) as watching:
        read_line(watching.stdout)
        assert watching.stdout
        watching.stdout.close()
        assert watching.wait(timeout=20) == 0
        assert watching.stderr
        assert watching.stderr.read() == ""


def test_into_a_pipe_the_whole_table_comes_again(place: Place) -> None:
    """With an empty line between."""
    with place.home.start(*WATCH) as watching:
        while line := read_line(watching.stdout):
            if line.startswith("daemon "):
                break
        place.home.succeed(SHIM)
        assert read_line(watching.stdout) == ""
        assert read_line(watching.stdout).startswith("PROFILE")
        assert read_line(watching.stdout).endswith("fresh")
        watching.send_signal(signal.SIGINT)


def test_what_fails_at_first_ends_it(place: Place) -> None:
    """With the status of the error."""
    done = place.home.run(*WATCH, "--profile", "dta")
    assert (done.status, done.stdout) == (1, "")
    assert done.complaint() == ("there is no profile 'dta'", "did you mean data?")


def test_what_fails_later_is_told_once(place: Place) -> None:
    """And the watch goes on."""
    with place.home.start(*WATCH, "--json", "--profile", "data") as watching:
        assert state_in(read_line(watching.stdout)) == "none"
        del place.tables["default_profile"], place.tables["profiles"]["data"]
        place.configure()
        assert read_line(watching.stderr) == "agentkeys: note: there is no profile 'data'"
        place.tables["profiles"]["data"] = place.sound_profile()
        place.configure()
        place.home.succeed(SHIM, "--profile", "data")
        while state_in(read_line(watching.stdout)) != "fresh":
            pass
        watching.send_signal(signal.SIGINT)
        assert watching.stderr
        assert watching.stderr.read() == ""


# live, for people


def test_on_a_terminal_it_counts_down_until_ctrl_c(place: Place) -> None:
    """On the other screen; the last picture stays on the first one, and the cursor is back."""
    place.home.succeed(SHIM)
    with place.home.at_terminal(*WATCH, env=AT_SCREEN) as screen:
        screen.expect(OTHER_SCREEN)
        seconds: set[str] = set()
        while len(seconds) < 3:
            line = screen.expect("fresh")
            seconds |= set(re.findall(r"59m (\d+)s", line))
        done = screen.interrupt()
    assert done.status == 0
    _, left, picture = done.stdout.partition(FIRST_SCREEN)
    assert left
    assert "PROFILE" in picture
    assert SHOW_CURSOR in done.stdout
    assert "Traceback" not in done.stdout


def test_a_watched_daemon_may_come_go_and_hang(home: Home) -> None:
    """It says so and goes on."""
    with home.at_terminal(*WATCH, env=AT_SCREEN) as screen:
        screen.expect("no daemon is running")
        home.succeed("agentkeys", "daemon", "start")
        screen.expect("the keyring is not used, as asked")
        pid = home.daemon_pid()
        assert pid
        os.kill(pid, signal.SIGSTOP)
        try:
            screen.expect("the daemon did not answer in time")
        finally:
            os.kill(pid, signal.SIGCONT)
        home.succeed("agentkeys", "daemon", "stop")
        screen.expect("no daemon is running")
        assert screen.interrupt().status == 0


def test_a_terminal_gets_its_cursor_back_when_the_watch_is_ended(place: Place) -> None:
    """By SIGTERM as well."""
    with place.home.at_terminal(*WATCH, env=AT_SCREEN) as screen:
        screen.expect("PROFILE")
        screen.process.send_signal(signal.SIGTERM)
        done = screen.finish()
    assert done.status == 128 + signal.SIGTERM
    assert SHOW_CURSOR in done.stdout
    assert FIRST_SCREEN in done.stdout
