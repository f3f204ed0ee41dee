"""Break-glass: on purpose alone, on record before anything else, and kept nowhere."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.fakes.broker import FakeBroker
from tests.fakes.http_fake import RecordedRequest, Reply
from tests.fakes.sts import FakeSts, success_body
from tests.support.breaking import REASON, ask_without_terminal, at_glass, breaking, ledger_of
from tests.support.killing import wait_until
from tests.support.place import DOORS, Place, assert_keeps_secrets
from tests.support.programs import AtTerminal, Finished, Home, new_home
from tests.support.runs import running
from tests.support.tokens import ALICE

SHOW = ("--", "sh", "-c", 'echo "run=$AGENTKEYS_RUN key=$AWS_ACCESS_KEY_ID"')
ANNOUNCED = f"agentkeys: break-glass: profile data, at most 15 minutes, recorded: {REASON}\n"


class WatchingSts(FakeSts):
    """Calls `watch` with every request, before it answers."""

    def __init__(self) -> None:
        super().__init__()
        self.watch: Callable[[], None] = lambda: None

    def _answer(self, request: RecordedRequest) -> Reply:
        self.watch()
        return super()._answer(request)


class GlassPlace(Place):
    """A place whose store can be watched."""

    sts: WatchingSts


@pytest.fixture
def place(home: Home) -> Iterator[GlassPlace]:
    """ALICE is logged in, `data` is for break-glass, and the ledger has no line of it yet."""
    with FakeBroker() as broker, WatchingSts() as sts:
        place = GlassPlace(home, broker, sts)
        place.tables["profiles"]["data"] = place.sound_profile(break_glass=True)
        place.configure()
        place.log_in()
        yield place


def since(place: Place) -> Callable[..., list[dict[str, Any]]]:
    """Tells the ledger's lines from now on."""
    before = len(ledger_of(place.home))

    def lines(*events: str) -> list[dict[str, Any]]:
        found = ledger_of(place.home)[before:]
        return [line for line in found if not events or line["event"] in events]

    return lines


def only_profile(place: Place) -> Any:
    return place.status()["profiles"][0]


def set_glass(place: Place, *, is_glass: bool, **changes: Any) -> None:
    glass = True if is_glass else None
    place.tables["profiles"]["data"] = place.sound_profile(break_glass=glass, **changes)
    place.configure()


def test_who_breaks_the_glass_gets_credentials_of_a_quarter_of_an_hour(place: GlassPlace) -> None:
    """Announced before anybody is asked, on record before and after they are made."""
    lines = since(place)
    done = breaking(place.home, *SHOW)
    assert done.status == 0, done
    assert done.stdout.startswith(ANNOUNCED)
    shown = re.search(r"run=(\w{16}) key=(\w+)\n", done.stdout)
    assert shown, done
    run_id, key = shown.groups()
    (request,) = place.sts.requests
    assert request.form["DurationSeconds"] == "900"
    assert request.form["RoleSessionName"].endswith(run_id)
    wait_until(lambda: lines()[-1]["event"] == "run_end")
    assert [line["event"] for line in lines()] == ["break_glass", "mint", "run_start", "run_end"]
    assert {line["run_id"] for line in lines()} == {run_id}
    broken, mint, start, _ = lines()
    assert broken["reason"] == REASON
    assert broken["subject"] == ALICE.wallet
    assert (broken["outcome"], broken["access_key_id"]) == ("ok", None)
    assert broken["pid"] == start["pid"]
    assert mint["access_key_id"] == start["access_key_id"] == key
    assert {line["reason"] for line in lines()[1:]} == {None}


def test_its_record_is_on_the_disk_before_the_store_is_asked(place: GlassPlace) -> None:
    """And before the broker is, so that no token of it is ever unexplained."""
    lines, seen = since(place), []
    place.sts.watch = lambda: seen.append([line["event"] for line in lines()])
    assert breaking(place.home, *SHOW).status == 0
    assert seen == [["break_glass"]]


def test_without_a_ledger_nobody_is_asked_for_anything(place: GlassPlace) -> None:
    """Not the broker, not the store; whatever `audit` says."""
    asked = len(place.broker.requests)
    with without_ledger(place):
        done = breaking(place.home, *SHOW)
    assert done.status == 125
    assert "error: the ledger" in done.stdout
    assert place.sts.requests == []
    assert place.broker.requests[asked:] == []
    assert breaking(place.home, *SHOW).status == 0


def test_what_cannot_be_recorded_as_minted_is_not_handed_out(place: GlassPlace) -> None:
    """The disk may fill up while the store answers."""
    broken = without_ledger(place)
    place.sts.watch = broken.__enter__
    done = breaking(place.home, *SHOW)
    broken.__exit__(None, None, None)
    assert done.status == 125
    assert "error: the ledger" in done.stdout
    assert "key=" not in done.stdout
    assert len(place.sts.requests) == 1
    assert place.status()["runs"] == []


class without_ledger:  # noqa: N801 - reads as the block that it makes
    """A folder where the ledger should be."""

    def __init__(self, place: Place) -> None:
        self._path = place.home.state / "audit" / "ledger.jsonl"
        self._kept = self._path.with_name("kept")

    def __enter__(self) -> None:
        if self._path.exists():
            self._path.rename(self._kept)
        self._path.mkdir()

    def __exit__(self, *exception: object) -> None:
        self._path.rmdir()
        if self._kept.exists():
            self._kept.rename(self._path)


def test_a_store_that_gives_more_gives_it_to_nobody(place: GlassPlace) -> None:
    """What it made is on record, with its key, for whoever wants it ended at the store."""
    lines = since(place)
    long = datetime.now(UTC) + timedelta(hours=1)
    place.sts.answer_with(200, success_body("aws", number=7, expires_at=long))
    done = breaking(place.home, *SHOW)
    assert done.status == 125
    assert "lab gave credentials for 60 minutes" in done.stdout
    assert "key=" not in done.stdout
    mint, refused = lines("mint", "refuse", "run_start")
    assert mint["access_key_id"].endswith("7")
    assert refused["error_code"] == "break_glass_refused"
    assert_keeps_secrets(done.stdout, place.sessions)


def test_two_at_once_are_two(place: GlassPlace) -> None:
    """Credentials that somebody answers for are shared with nobody."""
    with place.sts.stuck(), at_glass(place.home, *SHOW) as one, at_glass(place.home, *SHOW) as two:
        wait_until(lambda: len(place.sts.requests) == 2)
        place.sts.release()
        ended = (one.finish(), two.finish())
    keys = {found[1] for done in ended if (found := re.search(r"key=(\w+)", done.stdout))}
    assert len(keys) == 2


@pytest.mark.parametrize("door", DOORS)
def test_every_other_door_is_shut(place: GlassPlace, door: str) -> None:
    """And says which one is open; nobody is asked for a token."""
    asked = len(place.broker.requests)
    outcome = place.through(door)
    assert not outcome.served
    assert "the profile data is for break-glass alone" in outcome.text
    assert "--break-glass" in outcome.text
    assert not outcome.holds_credentials
    assert place.sts.requests == []
    assert place.broker.requests[asked:] == []


@pytest.mark.parametrize("words", ["env", "exec --explain", "wait --min-ttl 1m"])
def test_so_is_every_other_command(place: GlassPlace, words: str) -> None:
    """At once: nothing is waited for that will never be."""
    done = place.home.run("agentkeys", *words.split())
    assert (done.status, done.stdout) == (125 if "exec" in words else 1, ""), done
    assert "the profile data is for break-glass alone" in done.complaint()[0]


def test_status_knows_of_it_by_its_run_alone(place: GlassPlace) -> None:
    """When it ends is told; the profile holds nothing."""
    with at_glass(place.home, "--", "sh", "-c", "echo ready; read line") as terminal:
        terminal.expect("ready")
        status = place.status()
        (profile,), (run,) = status["profiles"], status["runs"]
        assert profile["break_glass"] is True
        assert (profile["state"], profile["key_ending"], profile["expires_at"]) == (
            "none", None, None,
        )  # fmt: skip
        assert (run["door"], run["lease"]) == ("break-glass", "own")
        assert 840 < run["expires_in_seconds"] <= 900
        assert run["expires_at"]
        told = place.home.succeed("agentkeys", "forget", "--run", run["id"])
        assert run["id"] in told
    assert (
        place.home.run("agentkeys", "profiles", "--json").stdout.count('"break_glass": true') == 1
    )


@pytest.mark.parametrize("options", [["--read-only"], ["--allow", "s3://lab/a/:ro"]], ids=" ".join)
def test_it_can_be_narrowed(place: GlassPlace, options: list[str]) -> None:
    """As any run."""
    place.tables["profiles"]["data"] |= {"bucket": "lab"}
    place.configure()
    assert breaking(place.home, *SHOW).status == 0
    assert breaking(place.home, *options, *SHOW).status == 0
    whole, narrow = (request.form.get("Policy") for request in place.sts.requests)
    assert whole is None
    assert narrow
    assert "s3:GetObject" in narrow
    assert "s3:PutObject" not in narrow


# Runs each line that is typed.
OBEY = (
    "--",
    "sh",
    "-c",
    'stty -echo; echo ready; while read -r l; do eval "$l"; echo "=$?."; done',
)


def told_inside(terminal: AtTerminal, place: Place, command: str) -> Finished:
    """What a program that OBEY runs is told."""
    terminal.type(f"AGENTKEYS_SOCKET={place.home.socket} {command}\n")
    said, _, status = terminal.expect(".\n").removesuffix(".\n").rpartition("=")
    return Finished(int(status), said, "")


INSIDE = {
    "agentkeys-credential-process": 1,
    "agentkeys env": 1,
    "agentkeys exec -- true": 125,
    "agentkeys exec --refresh -- true": 125,
    'agentkeys exec --break-glass --reason "once more" -- true': 125,
}


@pytest.mark.parametrize("becomes_usual", [False, True], ids=["closed", "opened meanwhile"])
def test_nothing_inside_gets_more(place: GlassPlace, becomes_usual: bool) -> None:
    """Neither by asking in the same way nor in another, nor once the profile is like any other."""
    with at_glass(place.home, *OBEY) as shell:
        shell.expect("ready\n")
        if becomes_usual:
            set_glass(place, is_glass=False, duration="15m")
            outside = place.through("GET credentials")
            assert outside.served
            # Another lease than the one that somebody has broken the glass for.
            assert len(place.sts.requests) == 2
        minted = len(place.sts.requests)
        for command, status in INSIDE.items():
            done = told_inside(shell, place, command)
            assert done.status == status, done
            assert re.search("break(-| the |)glass|broken the glass", done.stdout), done
            assert "ASIA" not in done.stdout
        assert len(place.sts.requests) == minted


def test_a_profile_that_becomes_one_is_shut_at_once(place: GlassPlace) -> None:
    """For programs that have been served all the time, and what was held for them is dropped."""
    set_glass(place, is_glass=False)
    with running(place.home, "--refresh") as program:
        assert program.fetch().status == 200
        assert place.through("GET credentials").served
        minted = len(place.sts.requests)

        set_glass(place, is_glass=True)
        refused = program.fetch()
        assert (refused.status, refused.json()["code"]) == (403, "break_glass_required")
        for name in ("agentkeys-credential-process", "agentkeys env"):
            done = program.do(*name.split())
            assert done.status == 1
            assert "break-glass" in done.stderr
        assert not place.through("GET credentials").served
        wait_until(lambda: place.status()["runs"][0]["expires_at"] is None)
        assert len(place.sts.requests) == minted

        set_glass(place, is_glass=False)
        assert place.through("GET credentials").served
        assert program.fetch().status == 200
        assert len(place.sts.requests) == minted + 2


def test_one_that_becomes_one_during_a_usual_mint_is_shut_to_who_waits(place: GlassPlace) -> None:
    """What was minted goes to nobody, and is not kept for when the profile is a usual one again."""
    set_glass(place, is_glass=False)
    with (
        place.sts.stuck(),
        place.home.start("agentkeys-credential-process", "--profile", "data") as waiting,
    ):
        wait_until(lambda: len(place.sts.requests) == 1)
        set_glass(place, is_glass=True)
        place.sts.release()
        stdout, stderr = waiting.communicate()
    assert (waiting.returncode, stdout) == (1, "")
    assert "break-glass alone" in stderr
    place.status()
    set_glass(place, is_glass=False)
    assert place.through("GET credentials").served
    assert len(place.sts.requests) == 2


def test_others_keep_what_they_have(place: GlassPlace) -> None:
    """A neighbour with the same identity notices nothing."""
    set_glass(place, is_glass=False)
    place.tables["profiles"]["other"] = place.sound_profile(duration="30m")
    place.configure()
    with running(place.home, "--profile", "other", "--refresh") as program:
        before = place.through("GET credentials", "other").key
        minted = len(place.sts.requests)
        set_glass(place, is_glass=True)
        assert not place.through("GET credentials").served
        assert place.through("GET credentials", "other").key == before
        assert program.fetch().status == 200
        assert len(place.sts.requests) == minted


def test_the_daemon_wants_a_terminal_too(place: GlassPlace) -> None:
    """Whoever asks without our program, and from a session without one."""
    answer = ask_without_terminal(place.home, {"break_glass": True, "reason": REASON})
    assert (answer.status, answer.error()["code"]) == (400, "break_glass_refused")
    assert "terminal" in answer.error()["message"]
    assert place.sts.requests == []


def test_a_usual_profile_breaks_no_glass(place: GlassPlace) -> None:
    """Or its ledger's lines would come to mean nothing."""
    lines = since(place)
    set_glass(place, is_glass=False)
    done = breaking(place.home, *SHOW)
    assert done.status == 125
    assert "the profile data is not for break-glass" in done.stdout
    assert [line["error_code"] for line in lines()] == ["break_glass_refused"]
    assert place.sts.requests == []


@pytest.mark.parametrize(
    "reason", ["", "  \t ", "two\nlines", "\x1b[2K", "x" * 501, None, 7, ["a"], "\u202egnp", "\0"]
)
def test_a_reason_has_to_be_one_line_for_people(place: GlassPlace, reason: object) -> None:
    """Whoever sends it."""
    answer = ask_without_terminal(place.home, {"break_glass": True, "reason": reason})
    assert answer.error()["code"] == "break_glass_refused"
    assert "reason" in answer.error()["message"]


@pytest.mark.parametrize(
    "more", [{"refresh": True}, {"legacy_mint": ["A", "B"]}, {"explain": True}]
)
def test_it_gives_fixed_keys_and_nothing_else(place: GlassPlace, more: dict[str, object]) -> None:
    """Whoever sends it."""
    asked = {"break_glass": True, "reason": REASON, **more}
    assert ask_without_terminal(place.home, asked).error()["code"] == "break_glass_refused"


def test_a_failed_one_is_on_record_too(place: GlassPlace) -> None:
    """With why the store has refused; status does not tell it."""
    lines = since(place)
    place.sts.refuse_with(403, "AccessDenied")
    done = breaking(place.home, *SHOW)
    assert done.status == 125
    assert "AccessDenied" in done.stdout
    assert [line["event"] for line in lines()] == ["break_glass", "mint", "refuse"]
    assert len({line["run_id"] for line in lines()[:2]}) == 1
    assert only_profile(place)["last_error"] is None


def test_a_daemon_that_is_killed_meanwhile_has_told_of_it() -> None:
    """The ledger has who wanted it and why, and no mint; the next daemon works."""
    with new_home() as home, FakeBroker() as broker, WatchingSts() as sts:
        place = GlassPlace(home, broker, sts)
        place.tables["profiles"]["data"] = place.sound_profile(break_glass=True)
        place.configure()
        home.succeed("agentkeys", "daemon", "start")
        place.log_in()
        pid = home.daemon_pid()
        assert pid
        with sts.stuck(), at_glass(home, *SHOW) as terminal:
            wait_until(lambda: sts.requests)
            os.kill(pid, signal.SIGKILL)
            # The next daemon, with nothing but memory, has to be told who that is.
            terminal.expect("log in as me now? [Y/n]: ")
            terminal.type("n\n")
            done = terminal.finish()
        assert done.status == 125
        assert "key=" not in done.stdout
        assert [line["reason"] for line in ledger_of(home, "break_glass")] == [REASON]
        assert ledger_of(home, "mint", "run_start") == []
        home.succeed("agentkeys", "daemon", "start")
        place.log_in()
        assert breaking(home, *SHOW).status == 0
        assert len(ledger_of(home, "break_glass", "mint")) == 3


def test_a_restart_keeps_its_run_and_nothing_else(place: GlassPlace) -> None:
    """The next daemon knows that it may give it nothing."""
    with at_glass(place.home, *OBEY) as shell:
        shell.expect("ready\n")
        (before,) = place.status()["runs"]
        place.home.succeed("agentkeys", "daemon", "restart")
        (run,) = place.status()["runs"]
        assert (run["door"], run["expires_at"]) == ("break-glass", before["expires_at"])
        set_glass(place, is_glass=False)
        done = told_inside(shell, place, "agentkeys-credential-process")
        assert (done.status, "broken the glass" in done.stdout) == (1, True), done
        assert len(place.sts.requests) == 1


def test_no_file_holds_anything_of_it(place: GlassPlace) -> None:
    """What is on record of its run and of itself is no secret."""
    with at_glass(place.home, "--", "sh", "-c", "echo ready; read line") as terminal:
        terminal.expect("ready")
        texts = list(all_files(place.home))
    assert any('"break_glass_until": "2' in text for text in texts)
    for text in texts:
        assert_keeps_secrets(text, place.sessions)


def all_files(home: Home) -> Iterator[str]:
    """What is in each, of those that do not vanish in between."""
    for folder in (home.state, home.socket.parent):
        for path in folder.rglob("*"):
            if path.is_file():
                with suppress(FileNotFoundError):
                    yield path.read_bytes().decode("utf-8", "replace")
