"""Each `exec` is a run: listed while it lives, told of in the ledger, gone when it has ended."""

from __future__ import annotations

import json
import os
import re
import shlex
import stat
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from agentkeys.processes import ProcessId
from agentkeys.protocol import SETTINGS_HEADER, settings_token
from tests.support.families import a_program
from tests.support.killing import wait_until
from tests.support.place import SHIM, Place, assert_keeps_secrets, place_in
from tests.support.programs import Home, new_home
from tests.support.raw_http import RawAnswer, ask
from tests.support.runs import Program, fetch, ledger, listed, running, wait_for_end
from tests.support.tokens import ALICE, BOB

REFRESH = "--refresh"
RULES = ("s3://bucket/data/:rw", "s3://bucket/one:ro")
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
NONE = "no program runs with credentials\n"


@pytest.fixture(scope="module")
def home() -> Iterator[Home]:
    with new_home() as found:
        yield found


@pytest.fixture
def place(home: Home) -> Iterator[Place]:
    """ALICE is logged in, the ledger is empty, and nothing runs."""
    home.succeed("agentkeys", "daemon", "start")
    wait_until(lambda: not listed(home))
    with place_in(home, ALICE, BOB) as found:
        (home.state / "audit" / "ledger.jsonl").unlink(missing_ok=True)
        yield found


def folder(home: Home) -> Path:
    """What the daemon keeps of its runs."""
    return home.socket.with_name(f"{home.socket.name}.runs")


def on_record(home: Home) -> set[str]:
    """The names of the files of runs."""
    return {path.name for path in folder(home).glob("*")} - {"endpoint.json"}


def assert_over(program: Program, home: Home) -> None:
    """Nothing is left of its run, and its token is worth nothing."""
    wait_for_end(home, program.id)
    assert on_record(home) == set()
    assert len(ledger(home, "run_end", run=program.id)) == 1
    if "AWS_CONTAINER_AUTHORIZATION_TOKEN" in program.variables:
        assert_turned_away(program.fetch())


def assert_turned_away(answer: RawAnswer) -> None:
    assert (answer.status, answer.json()["code"]) == (401, "token_refused")
    assert_keeps_secrets(answer.body.decode())


# while it lives


def test_a_run_is_listed_with_what_it_may_and_how_long(place: Place) -> None:
    """The same in `runs` and in `status`, for all or for its profile."""
    options = [REFRESH, "--read-only", "--allow", RULES[0], "--allow", RULES[1]]
    with running(place.home, *options) as program:
        (run,) = listed(place.home).values()
        assert place.status()["runs"] == [run]
        of_profile = json.loads(place.home.succeed("agentkeys", "status", "--json", "-p", "data"))
        assert of_profile["runs"] == [run]
        assert place.status()["daemon"]["endpoint_port"]
    for time in ("started_at", "expires_at"):
        assert TIME.fullmatch(run.pop(time))
    assert 3500 < run.pop("expires_in_seconds") <= 3600
    assert run == {
        "id": program.id,
        "profile": "data",
        "subject": f"agentkeys:agent:{ALICE.wallet}",
        "program": sys.executable,
        "pid": program.process.pid,
        "state": "live",
        "door": "endpoint",
        "lease": "own",
        "allow": list(RULES),
        "read_only": True,
    }


def test_a_run_with_the_profile_s_own_lease_says_so(place: Place) -> None:
    """Its keys are fixed, and it was narrowed to nothing."""
    with running(place.home) as program:
        run = listed(place.home)[program.id]
    assert [run[name] for name in ("door", "lease", "allow", "read_only")] == [
        "environment", "shared", None, False,
    ]  # fmt: skip


def test_people_see_a_table(place: Place) -> None:
    """Without the folders of programs; `status` names them in a line of its own."""
    with running(place.home) as first, running(place.home, REFRESH, "--read-only",
                                               "--allow", RULES[0]) as second:  # fmt: skip
        head, *rows = place.home.succeed("agentkeys", "runs").splitlines()
        status = place.home.succeed("agentkeys", "status")
    titles = ["RUN", "PROFILE", "PROGRAM", "PID", "DOOR", "ALLOWED", "FOR", "EXPIRES", "IN"]
    assert head.split() == titles
    name = Path(sys.executable).name
    start = [first.id, "data", name, str(first.process.pid), "environment", "all"]
    assert rows[0].split()[:6] == start
    assert rows[0].split()[-1].endswith("m")
    assert f"{RULES[0]}, read only" in rows[1]
    assert second.id in rows[1]
    named = f"{name} ({first.process.pid}), {name} ({second.process.pid})"
    assert f"running: {named} (agentkeys runs)\n" in status


def test_where_nothing_runs_that_is_said(place: Place) -> None:
    """And `status` has no line about it."""
    assert place.home.succeed("agentkeys", "runs") == NONE
    assert listed(place.home) == {}
    assert "running:" not in place.home.succeed("agentkeys", "status")


def test_without_a_daemon_nothing_runs_and_none_is_started(place: Place) -> None:
    """It is not what a list is for."""
    place.home.succeed("agentkeys", "daemon", "stop")
    assert place.home.succeed("agentkeys", "runs") == NONE
    assert place.home.succeed("agentkeys", "runs", "--json") == '{"version": 1, "runs": []}\n'
    assert place.home.daemon_pid() is None


def test_the_program_is_told_its_id_and_tells_it_to_the_store(place: Place) -> None:
    """AWS SDKs put AWS_SDK_UA_APP_ID into every request; an own lease has it in its name."""
    with running(place.home, REFRESH) as program:
        assert re.fullmatch(r"[a-z2-7]{16}", program.id)
        assert program.variables["AWS_SDK_UA_APP_ID"] == program.id
    assert place.sts.requests[-1].form["RoleSessionName"] == (
        f"agentkeys-{ALICE.wallet[:24]}-{program.id}"
    )


def test_what_is_shared_is_named_after_no_run(place: Place) -> None:
    """Others may have got it before."""
    with running(place.home) as program:
        assert program.id not in place.sts.requests[-1].form["RoleSessionName"]


def test_the_ledger_tells_the_life_of_a_run(place: Place) -> None:
    """Its lease, its beginning, what it was served, and its end."""
    with running(place.home, REFRESH) as program:
        assert program.fetch().status == 200
        assert program.shim().status == 0
    assert_over(program, place.home)
    lines = ledger(place.home, run=program.id)
    events = [line["event"] for line in lines]
    assert events == ["mint", "run_start", "serve", "serve", "run_end"]
    assert {line["pid"] for line in lines if line["event"].startswith("run_")} == {
        program.process.pid
    }
    assert len({line["access_key_id"] for line in lines[:-1]}) == 1


def test_its_secret_lies_in_a_file_of_its_own(place: Place) -> None:
    """Private, without a newline, and nowhere else; the record has its hash alone."""
    with running(place.home, REFRESH) as program:
        token = program.variables["AWS_CONTAINER_AUTHORIZATION_TOKEN"]
        path = Path(program.variables["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"])
        assert path.parent == folder(place.home)
        assert path.read_text() == token
        assert re.fullmatch(r"[A-Za-z0-9_-]{43}", token)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        record = folder(place.home) / f"{program.id}.json"
        assert stat.S_IMODE(record.stat().st_mode) == 0o600
        assert token not in record.read_text()
        assert on_record(place.home) == {record.name, path.name}


# its end


def test_it_ends_with_its_program(place: Place) -> None:
    """Its record, its token and its own lease are gone."""
    with running(place.home, REFRESH) as program:
        assert program.fetch().status == 200
        program.end()
        assert_over(program, place.home)
    assert "AWS_ACCESS_KEY_ID" not in program.variables


def test_it_ends_when_its_program_is_killed(place: Place) -> None:
    """Who is killed tells nobody."""
    with running(place.home, REFRESH) as program:
        program.kill()
        assert_over(program, place.home)


def test_it_lives_on_while_its_program_becomes_another(place: Place) -> None:
    """By an execve, or several: it is the same process."""
    with running(place.home, REFRESH) as program:
        before = program.id
        program.become_obedient("sh", "-c", 'exec env "$@"', "sh")
        assert program.id == before
        assert {*listed(place.home)} == {before}
        assert program.fetch().status == 200
        assert program.shim().status == 0


def test_it_ends_though_its_children_go_on(place: Place) -> None:
    """What they were given stays what it is; there is nothing more to be had."""
    with running(place.home, REFRESH) as program:
        program.do("sh", "-c", "sleep 60 >/dev/null 2>&1 & echo $! >child")
        child = int((place.home.work / "child").read_text())
        try:
            program.kill()
            assert_over(program, place.home)
            assert ProcessId.of(child)
        finally:
            os.kill(child, 9)


def test_an_own_lease_ends_with_its_run(place: Place) -> None:
    """The daemon holds nothing of it any more; the profile's own stays."""
    key = place.through("GET credentials").key
    with running(place.home, "--read-only", "--allow", RULES[0]) as program:
        assert program.variables["AWS_ACCESS_KEY_ID"] != key
    assert_over(program, place.home)
    assert place.through("GET credentials").key == key
    # What forget says would end later otherwise.
    answer = ask(place.home, "DELETE", "/v1/leases").json()
    assert answer["credentials_live_until"]


def test_an_own_lease_ends_with_the_last_run_that_works_with_it(place: Place) -> None:
    """One that was begun in it, and has asked for nothing else, goes on with the same."""
    nested, flag = place.home.work / "nested", place.home.work / "flag"
    script = (
        'echo "$AGENTKEYS_RUN $AWS_ACCESS_KEY_ID" >nested;'
        f" until test -e {flag}; do sleep 0.01; done; {place.home.program(SHIM)} >>nested"
    )
    socket = ["--keep-env", "AGENTKEYS_SOCKET"]
    inner = ["agentkeys", "exec", *socket, "--", "sh", "-c", script]
    with running(place.home, *socket, "--allow", RULES[0]) as outer:
        outer.do("sh", "-c", f"{shlex.join(inner)} >/dev/null 2>&1 &")
        wait_until(lambda: nested.exists() and nested.read_text())
        nested_id, key = nested.read_text().split()
        assert key == outer.variables["AWS_ACCESS_KEY_ID"]
        outer.kill()
        wait_for_end(place.home, outer.id)
    flag.touch()
    wait_for_end(place.home, nested_id)
    assert f'"AccessKeyId": "{key}"' in nested.read_text()
    assert len(place.sts.requests) == 1


def test_a_hundred_at_once_leave_nothing_behind(place: Place) -> None:
    """Every second one with a lease of its own and the endpoint."""

    def execute(number: int) -> int:
        options = [REFRESH] if number % 2 else []
        return place.home.run("agentkeys", "exec", *options, "--", "true").status

    with ThreadPoolExecutor(20) as pool:
        assert set(pool.map(execute, range(100))) == {0}
    wait_until(lambda: not listed(place.home))
    assert on_record(place.home) == set()
    started, ended = (ledger(place.home, event) for event in ("run_start", "run_end"))
    assert len(started) == 100
    assert {line["run_id"] for line in started} == {line["run_id"] for line in ended}
    assert len(place.sts.requests) == 51


_ASK = """\
import socket, sys
connection = socket.socket(socket.AF_UNIX)
connection.connect(sys.argv[1])
connection.sendall(sys.argv[2].encode())
sys.stdin.read()
"""


def test_a_client_that_goes_before_its_answer_leaves_no_run(place: Place) -> None:
    """As when somebody gives up during the mint."""
    token = settings_token(place.home.environment, os.getcwd)
    body = '{"refresh": true}'
    lines = [
        "POST /v1/profiles/data/runs HTTP/1.1",
        "host: agentkeys",
        f"{SETTINGS_HEADER}: {token}",
        f"content-length: {len(body)}",
    ]
    sent = "\r\n".join([*lines, "", body])
    with place.sts.stuck(), a_program(_ASK, str(place.home.socket), sent) as client:
        place.sts.wait_for_request()
        client.kill()
    wait_until(lambda: ledger(place.home, "run_end"))
    assert listed(place.home) == {}
    assert on_record(place.home) == set()
    assert len(ledger(place.home, "run_start")) == len(ledger(place.home, "run_end")) == 1


# taken away


def test_a_run_can_be_forgotten(place: Place) -> None:
    """The endpoint turns it away, the socket too, and it still counts as inside."""
    with running(place.home, REFRESH) as program:
        expires = listed(place.home)[program.id]["expires_at"]
        said = place.home.succeed("agentkeys", "forget", "--run", program.id)
        assert said == (
            f"forgotten: run {program.id}\ncredentials already handed out live until {expires}:"
            " a store cannot take them back\n"
        )
        assert_turned_away(program.fetch())
        assert not Path(program.variables["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"]).exists()
        for command in ("shim", "exec"):
            done = program.shim() if command == "shim" else program.do(
                "agentkeys", "exec", "--", "env"
            )  # fmt: skip
            assert done.stdout == "", done
            error, hint = done.complaint()
            assert error == (
                f"the run's credentials have been taken away: it is inside run {program.id}"
            )
            assert hint == "start the program again"
        run = listed(place.home)[program.id]
        assert (run["state"], run["expires_at"]) == ("forgotten", None)
        assert "forgotten" in place.home.succeed("agentkeys", "runs")
    assert_over(program, place.home)
    assert len(ledger(place.home, "forget", run=program.id)) == 1


def test_a_run_with_fixed_keys_can_be_forgotten_too(place: Place) -> None:
    """It keeps those, and gets no others; the profile's other programs notice nothing."""
    with running(place.home) as program, running(place.home) as other:
        answer = json.loads(
            place.home.succeed("agentkeys", "forget", "--run", program.id, "--json")
        )
        assert answer == {
            "version": 1,
            "run": program.id,
            "credentials_live_until": listed(place.home)[other.id]["expires_at"],
        }
        assert program.shim().status == 1
        assert other.shim().status == 0
    assert len(place.sts.requests) == 1


def test_what_was_begun_in_it_is_forgotten_too(place: Place) -> None:
    """Or a program could keep what it is to lose by an exec of its own."""
    with running(place.home, REFRESH) as program, running(place.home, REFRESH) as beside:
        outer = dict(program.variables)
        program.become_obedient(
            "env",
            f"AGENTKEYS_SOCKET={place.home.socket}",
            str(place.home.program("agentkeys")),
            "exec",
            REFRESH,
            "--",
        )
        place.home.succeed("agentkeys", "forget", "--run", outer["AGENTKEYS_RUN"])
        assert_turned_away(fetch(outer))
        assert_turned_away(program.fetch())
        assert program.shim().status == 1
        assert beside.fetch().status == 200
        states = {run["id"]: run["state"] for run in listed(place.home).values()}
        assert states == {
            outer["AGENTKEYS_RUN"]: "forgotten",
            program.id: "forgotten",
            beside.id: "live",
        }


def test_one_that_is_just_beginning_in_it_does_not_begin(place: Place) -> None:
    """Its mint was under way when the other was forgotten; nothing of it is left."""
    told = place.home.work / "told"
    told.unlink(missing_ok=True)
    with running(place.home, REFRESH) as program:
        place.sts.wait_for_request()
        agentkeys = place.home.program("agentkeys")
        inner = f"{agentkeys} exec {REFRESH} -- touch began >out 2>err; echo $? >told"
        with place.sts.stuck():
            program.do("sh", "-c", f"({inner}) >/dev/null 2>&1 &")
            place.sts.wait_for_request()
            place.home.succeed("agentkeys", "forget", "--run", program.id)
        wait_until(lambda: told.exists() and told.read_text())
        assert told.read_text() == "125\n"
        assert (place.home.work / "out").read_text() == ""
        error, hint = (place.home.work / "err").read_text().splitlines()
        assert f"the credentials of run {program.id} have been taken away" in error
        assert "start the program again" in hint
        assert not (place.home.work / "began").exists()
        assert {*listed(place.home)} == {program.id}
    assert_over(program, place.home)
    assert [line["run_id"] for line in ledger(place.home, "run_start")] == [program.id]


def test_one_with_the_same_lease_is_forgotten_with_it(place: Place) -> None:
    """It has asked for nothing of its own, and is given nothing either."""
    with running(place.home, "--read-only", "--allow", RULES[0]) as program:
        outer = program.id
        program.become_obedient(
            "env",
            f"AGENTKEYS_SOCKET={place.home.socket}",
            str(place.home.program("agentkeys")),
            "exec",
            "--",
        )
        assert program.id != outer
        place.home.succeed("agentkeys", "forget", "--run", outer)
        for done in (program.shim(), program.do("agentkeys", "exec", "--", "env")):
            assert (done.status != 0, done.stdout) == (True, ""), done
            assert "have been taken away" in done.complaint()[0]
        assert len(place.sts.requests) == 1


def test_one_begun_in_another_can_be_forgotten_alone(place: Place) -> None:
    """The one that it was begun in keeps what it has."""
    with running(place.home, REFRESH) as outer:
        over = place.home.work / "over"
        script = f"echo $AGENTKEYS_RUN >inner; until test -e {over}; do sleep 0.01; done"
        inner = ["agentkeys", "exec", "--read-only", "--allow", RULES[0], "--", "sh", "-c", script]
        outer.do("sh", "-c", f"{shlex.join(inner)} >/dev/null 2>&1 &")
        told = place.home.work / "inner"
        wait_until(lambda: told.exists() and told.read_text())
        inner_id = told.read_text().strip()
        place.home.succeed("agentkeys", "forget", "--run", inner_id)
        assert listed(place.home)[inner_id]["state"] == "forgotten"
        assert outer.fetch().status == 200
        over.touch()
        wait_for_end(place.home, inner_id)


def test_who_forgets_an_unknown_run_is_told_where_to_look(place: Place) -> None:
    """Also for one that has ended, and for what is no id at all."""
    with running(place.home) as program:
        program.end()
        wait_for_end(place.home, program.id)
    for name in (program.id, "a/b", "ü" * 100):
        done = place.home.run("agentkeys", "forget", "--run", name)
        assert (done.status, done.stdout) == (1, "")
        error, hint = done.complaint()
        assert error.startswith("there is no run ")
        assert hint == "run: agentkeys runs"


@pytest.mark.parametrize("arguments", [["data", "--run", "x"], ["--run", ""], ["--run"]])
def test_a_mistake_forgets_nothing(place: Place, arguments: list[str]) -> None:
    """An empty id comes from an unset variable."""
    with running(place.home, REFRESH) as program:
        done = place.home.run("agentkeys", "forget", *arguments)
        assert (done.status, done.stdout) == (2, "")
        done.complaint()
        assert program.fetch().status == 200
        assert len(place.sts.requests) == 1


def test_without_a_daemon_no_run_can_be_forgotten(place: Place) -> None:
    """It is not claimed that one was."""
    with running(place.home) as program:
        place.home.succeed("agentkeys", "daemon", "stop", "--force")
        done = place.home.run("agentkeys", "forget", "--run", program.id)
    assert (done.status, done.stdout) == (4, "")
    assert done.complaint()[0] == "no daemon is running, so that no run is known"


def test_all_leases_forgotten_leave_the_runs(place: Place) -> None:
    """They get new ones."""
    with running(place.home, REFRESH) as program:
        key = program.fetch().json()["AccessKeyId"]
        place.home.succeed("agentkeys", "forget")
        assert program.fetch().json()["AccessKeyId"] != key
        assert listed(place.home)[program.id]["state"] == "live"


# the daemon


def test_a_daemon_does_not_stop_under_its_programs(place: Place) -> None:
    """It says which, and how to have it anyway; one that has been forgotten has nothing to lose."""
    pid = place.home.daemon_pid()
    with running(place.home, REFRESH) as program, running(place.home) as other:
        named = f"{sys.executable} (pid {program.process.pid})"
        for forgotten, words in ((other, " and 1 more run"), (program, " runs")):
            done = place.home.run("agentkeys", "daemon", "stop")
            assert (done.status, done.stdout) == (1, "")
            assert done.complaint() == (
                f"{named}{words} with credentials from this daemon",
                "restart keeps them; to stop in any case: agentkeys daemon stop --force",
            )
            assert place.home.daemon_pid() == pid
            assert program.fetch().status == 200
            place.home.succeed("agentkeys", "forget", "--run", forgotten.id)
        assert place.home.succeed("agentkeys", "daemon", "stop") == "stopped\n"


def test_by_force_it_stops(place: Place) -> None:
    """And says so."""
    with running(place.home, REFRESH) as program:
        answer = place.home.succeed("agentkeys", "daemon", "stop", "--force", "--json")
        assert json.loads(answer) == {"version": 1, "stopped": True}
        with pytest.raises(ConnectionRefusedError):
            program.fetch()
        assert place.home.succeed("agentkeys", "daemon", "stop", "--force") == (
            "no daemon was running\n"
        )


# the disk


def test_what_cannot_be_put_on_record_does_not_begin(place: Place) -> None:
    """A run with the endpoint would be lost with the daemon; one with fixed keys loses nothing."""
    folder(place.home).mkdir(mode=0o700, exist_ok=True)
    full = place.home.folder / "full"
    folder(place.home).rename(full)
    try:
        folder(place.home).write_text("in its place")
        done = place.home.run("agentkeys", "exec", REFRESH, "--", "touch", "ran")
        assert (done.status, done.stdout) == (125, ""), done
        done.complaint()
        assert place.home.succeed("agentkeys", "exec", "--", "echo", "ran") == "ran\n"
    finally:
        folder(place.home).unlink()
        full.rename(folder(place.home))
    assert not (place.home.work / "ran").exists()
    assert on_record(place.home) == set()
    wait_until(lambda: not listed(place.home))
