"""Programs outlive their daemon: the next one knows them, and serves them where they look."""

from __future__ import annotations

import json
import os
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from agentkeys.processes import ProcessId
from agentkeys_shell.sandbox.processes import wait_until as wait_until_gone
from tests.support.killing import wait_until
from tests.support.place import Place, place_in
from tests.support.programs import Home
from tests.support.runs import Program, ledger, listed, running
from tests.support.tokens import ALICE, BOB

REFRESH = "--refresh"
RULE = "s3://bucket/data/:rw"


@pytest.fixture
def place(warm_home: Home) -> Iterator[Place]:
    """ALICE is logged in, the ledger is empty, and nothing runs."""
    warm_home.succeed("agentkeys", "daemon", "start")
    wait_until(lambda: not listed(warm_home))
    with place_in(warm_home, ALICE, BOB) as found:
        (warm_home.state / "audit" / "ledger.jsonl").unlink(missing_ok=True)
        yield found


def folder(home: Home) -> Path:
    return home.socket.with_name(f"{home.socket.name}.runs")


def kill_daemon(home: Home) -> None:
    """It has no time for anything."""
    pid = home.daemon_pid()
    assert pid
    daemon = ProcessId.of(pid)
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not (daemon and daemon.is_alive))


def stop_daemon(home: Home) -> None:
    home.succeed("agentkeys", "daemon", "stop", "--force")


def start_daemon(place: Place) -> None:
    """Memory has forgotten the login."""
    place.home.succeed("agentkeys", "daemon", "start")
    place.log_in()


def rewrite(home: Home, program: Program, /, **changes: Any) -> None:
    """What is on record of a program is another from now on."""
    path = folder(home) / f"{program.id}.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.mark.parametrize("end", [kill_daemon, stop_daemon])
def test_the_next_daemon_serves_a_program_where_it_looks(
    place: Place, end: Callable[[Home], None]
) -> None:
    """At the same port, for the same token."""
    with running(place.home, REFRESH, "--allow", RULE) as program:
        before = listed(place.home)[program.id]
        first = program.fetch().json()["AccessKeyId"]
        end(place.home)
        with pytest.raises(ConnectionRefusedError):
            program.fetch()
        start_daemon(place)
        answer = program.fetch()
        assert answer.status == 200, answer
        assert answer.json()["AccessKeyId"] != first
        # What was minted anew is as narrow as before.
        first_policy, second_policy = (r.form["Policy"] for r in place.sts.requests)
        assert first_policy == second_policy
        after = listed(place.home)[program.id]
        left = {"expires_at", "expires_in_seconds"}
        assert {n: after[n] for n in {*after} - left} == {n: before[n] for n in {*before} - left}
        assert program.shim().status == 0
        program.end()
        wait_until(lambda: ledger(place.home, "run_end", run=program.id))


def test_what_has_ended_meanwhile_is_told_then(place: Place) -> None:
    """In the ledger; its files are gone."""
    with running(place.home, REFRESH) as ended, running(place.home, REFRESH) as alive:
        kill_daemon(place.home)
        ended.kill()
        place.home.succeed("agentkeys", "daemon", "start")
        wait_until(lambda: ledger(place.home, "run_end", run=ended.id))
        assert {*listed(place.home)} == {alive.id}
        assert not list(folder(place.home).glob(f"{ended.id}.*"))
        assert ended.fetch().status == 401
        assert not ledger(place.home, "run_end", run=alive.id)


def test_a_run_stays_as_it_was(place: Place) -> None:
    """Taken away is taken away, inside is inside, and pinned is pinned."""
    with running(place.home, REFRESH) as gone, running(place.home, REFRESH) as alive:
        place.home.succeed("agentkeys", "forget", "--run", gone.id)
        kill_daemon(place.home)
        place.home.succeed("agentkeys", "daemon", "start")
        place.log_in(BOB)
        assert gone.fetch().status == 401
        assert listed(place.home)[gone.id]["state"] == "forgotten"
        answer = alive.fetch()
        assert (answer.status, answer.json()["code"]) == (403, "wrong_identity")
        for program in (gone, alive):
            done = program.do("agentkeys", "forget")
            assert (done.status, done.stdout) == (1, "")
            assert program.id in done.complaint()[0]
            assert program.shim().status == 1


def test_a_process_in_two_runs_is_still_in_the_narrower_one(place: Place) -> None:
    """Whatever their ids are."""
    with running(place.home) as program:
        outer = program.id
        program.become_obedient("env", f"AGENTKEYS_SOCKET={place.home.socket}",
                                str(place.home.program("agentkeys")),
                                "exec", "--allow", RULE, "--")  # fmt: skip
        for _ in range(2):
            kill_daemon(place.home)
            # So that it is not their order in the folder, either way.
            ids = {outer: program.id, program.id: outer}
            for path in [*folder(place.home).glob("*.json")]:
                if path.stem in ids:
                    swapped = json.loads(path.read_text()) | {"id": ids[path.stem]}
                    path.with_suffix(".new").write_text(json.dumps(swapped))
                    path.unlink()
            for path in [*folder(place.home).glob("*.new")]:
                path.with_name(f"{json.loads(path.read_text())['id']}.json").write_text(
                    path.read_text()
                )
                path.unlink()
            start_daemon(place)
            done = program.do("agentkeys", "exec", "--allow", "s3://bucket/:rw", "--", "env")
            assert (done.status, done.stdout) == (125, ""), done
            assert "lies outside" in done.complaint()[0]


def test_a_process_with_the_pid_of_a_program_is_not_that_program(place: Place) -> None:
    """Its start time tells."""
    with running(place.home, REFRESH) as program:
        kill_daemon(place.home)
        rewrite(place.home, program, started="1")
        start_daemon(place)
        wait_until(lambda: ledger(place.home, "run_end", run=program.id))
        assert program.fetch().status == 401


@pytest.mark.parametrize(
    "changes",
    [
        {"boot": "00000000-0000-0000-0000-000000000000"},
        {"id": "abcdefghij234567"},
        {"allow": ["s3://bucket/*:rw"]},
        {"token_hash": None, "pid": "1; true"},
        {"started_at": "yesterday"},
    ],
    ids="+".join,
)
def test_a_record_that_cannot_be_right_opens_nothing(place: Place, changes: dict[str, Any]) -> None:
    """Such as one from before the machine was started anew; it is removed, with its token."""
    with running(place.home, REFRESH) as program, running(place.home, REFRESH) as other:
        kill_daemon(place.home)
        rewrite(place.home, program, **changes)
        start_daemon(place)
        assert {*listed(place.home)} == {other.id}
        assert program.fetch().status == 401
        assert other.fetch().status == 200
        assert not list(folder(place.home).glob(f"{program.id}.*"))


@pytest.mark.parametrize("text", ["", "{", "null", "[]", "[" * 100_000, "\0\0"])
def test_a_torn_record_harms_nobody_else(place: Place, text: str) -> None:
    """A disk may lose what was written last."""
    with running(place.home, REFRESH) as program, running(place.home, REFRESH) as other:
        kill_daemon(place.home)
        (folder(place.home) / f"{program.id}.json").write_text(text)
        start_daemon(place)
        assert {*listed(place.home)} == {other.id}
        assert other.fetch().status == 200


def as_fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def as_link(path: Path) -> None:
    """To what would be a good record."""
    elsewhere = path.parent.parent / "elsewhere"
    path.rename(elsewhere)
    path.symlink_to(elsewhere)


def as_link_to_itself(path: Path) -> None:
    path.unlink()
    path.symlink_to(path)


def as_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def as_socket(path: Path) -> None:
    path.unlink()
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))


def as_much(path: Path) -> None:
    """A good record, with more blanks than anybody reads."""
    path.write_text(path.read_text().replace("{", "{" + " " * 3_000_000, 1))


@pytest.mark.parametrize(
    "become", [as_fifo, as_link, as_link_to_itself, as_folder, as_socket, as_much]
)
def test_what_is_no_plain_file_holds_nobody_up(
    place: Place, become: Callable[[Path], None]
) -> None:
    """The daemon starts as fast as ever, and the other programs are served."""
    with running(place.home, REFRESH) as program, running(place.home, REFRESH) as other:
        kill_daemon(place.home)
        become(folder(place.home) / f"{program.id}.json")
        start_daemon(place)
        assert {*listed(place.home)} == {other.id}
        assert place.home.succeed("agentkeys", "status")
        assert other.fetch().status == 200
        assert program.fetch().status == 401
    for left in folder(place.home).glob(f"{program.id}.json"):
        left.rmdir()


@pytest.mark.parametrize("become", [as_fifo, as_link_to_itself, as_folder, as_much])
def test_a_port_that_cannot_be_read_holds_nobody_up(
    place: Place, become: Callable[[Path], None]
) -> None:
    """Nobody can tell where it was; new programs get another."""
    with running(place.home, REFRESH):
        kill_daemon(place.home)
        path = folder(place.home) / "endpoint.json"
        become(path)
        start_daemon(place)
        assert place.home.succeed("agentkeys", "runs")
        if path.is_dir():
            path.rmdir()
        with running(place.home, REFRESH) as new:
            assert new.fetch().status == 200


@pytest.mark.parametrize(
    "changes",
    [
        {"scope": None},
        {"scope": {"rules": "s3://bucket/:rw", "reading": [], "policy": 7, "policy_arns": {}}},
        {"program": 7, "outer": 7},
        {"id": {}, "pid": 2**40},
        {"profile": ["data"], "subject": {}},
        {"lease_run": 1.5, "token_hash": True},
    ],
    ids="+".join,
)
def test_a_value_of_another_kind_breaks_nothing(place: Place, changes: dict[str, Any]) -> None:
    """The record does not count; the daemon starts, and can tell of the other runs."""
    with running(place.home, REFRESH) as program, running(place.home, REFRESH) as other:
        kill_daemon(place.home)
        rewrite(place.home, program, **changes)
        start_daemon(place)
        assert {*listed(place.home)} == {other.id}
        assert place.home.succeed("agentkeys", "status")
        assert program.fetch().status == 401
        assert other.fetch().status == 200


def test_a_record_brings_no_control_characters_to_a_terminal(place: Place) -> None:
    """As what a program says of itself does not."""
    with running(place.home, REFRESH) as program:
        kill_daemon(place.home)
        rewrite(place.home, program, program="\x1b[31mred\x07\n\u202e")
        start_daemon(place)
        for command in ("runs", "status"):
            said = place.home.succeed("agentkeys", command)
            assert all(letter.isprintable() or letter == "\n" for letter in said), said
        assert listed(place.home)[program.id]["program"] == "?[31mred???"
        assert program.fetch().status == 200


def test_what_a_killed_daemon_had_not_finished_is_swept(place: Place) -> None:
    """A token among them would outlive its run."""
    with running(place.home, REFRESH) as program:
        kill_daemon(place.home)
        left = [
            folder(place.home) / name
            for name in (f".{program.id}.token.ab12cd34", ".gone.json.xyz", "gone.token")
        ]
        for path in left:
            path.write_text("a secret")
        start_daemon(place)
        assert not [path for path in left if path.exists()]
        assert program.fetch().status == 200


@pytest.mark.parametrize("end", [kill_daemon, stop_daemon])
def test_a_profile_that_allows_more_meanwhile_gives_no_more(
    place: Place, end: Callable[[Home], None]
) -> None:
    """What a run began with is on record."""
    place.tables["profiles"]["data"]["allow"] = ["s3://bucket/data/:ro"]
    place.configure()
    with running(place.home, REFRESH) as program:
        end(place.home)
        del place.tables["profiles"]["data"]["allow"]
        place.configure()
        start_daemon(place)
        assert program.fetch().status == 200
    first, second = (request.form["Policy"] for request in place.sts.requests)
    assert first == second


def test_where_the_port_is_taken_that_is_told(place: Place) -> None:
    """Programs that have begun cannot find another; new ones get one that is free."""
    with running(place.home, REFRESH) as program:
        kill_daemon(place.home)
        port = urlsplit(program.variables["AWS_CONTAINER_CREDENTIALS_FULL_URI"]).port
        assert port
        with socket.socket() as taken:
            taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            taken.bind(("127.0.0.1", port))
            taken.listen()
            start_daemon(place)
            problem = place.status()["daemon"]["endpoint_error"]
            assert str(port) in problem["message"]
            assert problem["hint"]
            assert problem["message"] in place.home.succeed("agentkeys", "status")
            with running(place.home, REFRESH) as new:
                assert new.fetch().status == 200
                assert program.id in listed(place.home)


def test_without_programs_no_port_is_opened(place: Place) -> None:
    """There is nobody to look for it."""
    with running(place.home, REFRESH) as program:
        program.end()
        wait_until(lambda: not listed(place.home))
    kill_daemon(place.home)
    start_daemon(place)
    assert place.status()["daemon"]["endpoint_port"] is None


def test_a_program_in_the_sandbox_never_notices(user_home: Home) -> None:
    """Its identity logs in unasked."""
    with running(user_home, REFRESH) as program:
        assert program.fetch().status == 200
        kill_daemon(user_home)
        user_home.succeed("agentkeys", "daemon", "start")
        wait_until(lambda: program.fetch().status == 200)
        program.end()


def test_an_idle_daemon_stays_with_its_programs(user_home: Home) -> None:
    """However long nobody asks; after they have ended it goes."""
    text = user_home.config.read_text(encoding="utf-8")
    user_home.configure(f'idle_exit = "1s"\n{text}')
    with running(user_home) as program:
        pid = user_home.daemon_pid()
        assert pid
        # Several times the limit, in which nobody asks; it looks once in each.
        assert not wait_until_gone(lambda: ProcessId.of(pid) is None, seconds=4)
        assert program.shim().status == 0
        program.end()
    wait_until(lambda: ProcessId.of(pid) is None)
