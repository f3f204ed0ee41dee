"""The daemon's ledger stays one chain, whatever becomes of the daemon and of the files."""

from __future__ import annotations

import json
import random
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.busy_programs import busy_programs
from tests.support.chains import Line, assert_chained, ledger_lines
from tests.support.killing import wait_until
from tests.support.offspring import Offspring
from tests.support.place import SHIM, Place, new_place
from tests.support.raw_http import ask
from tests.support.runs import running
from tests.support.tokens import ALICE, BOB

KILLS = 8
ASK = """
import http.client, socket, sys
connection = http.client.HTTPConnection("agentkeys")
connection.sock = socket.socket(socket.AF_UNIX)
connection.sock.connect(sys.argv[1])
connection.request("GET", "/v1/ledger")
print(connection.getresponse().read().decode())
"""


@pytest.fixture
def place(daemons: Offspring) -> Iterator[Place]:
    """A home of its own, with a daemon that can be killed."""
    with new_place(ALICE, BOB) as found:
        yield found


def path(place: Place) -> Path:
    return place.home.state / "audit" / "ledger.jsonl"


def head(place: Place) -> dict[str, Any]:
    """What `audit verify` asks for."""
    answer = ask(place.home, "GET", "/v1/ledger")
    assert answer.status == 200
    found = answer.json()
    assert isinstance(found, dict)
    return found


def recovered(lines: list[Line]) -> list[tuple[str, str]]:
    return [
        (line["outcome"], line["outcome_detail"]) for line in lines if line["event"] == "recovered"
    ]


def test_kills_at_random_moments_leave_one_chain(place: Place, daemons: Offspring) -> None:
    """While programs use it: what was torn is told, nothing is missing, and no head is ahead."""
    dice, ended = random.Random(6), Counter[str]()
    for _ in range(KILLS):
        with busy_programs(place, ended):
            wait_until(daemons.daemons)
            time.sleep(dice.uniform(0.05, 0.8))
            daemons.kill(*daemons.daemons())
        place.home.succeed("agentkeys", "daemon", "start")
        told = recovered(assert_chained(path(place)))
        assert all(outcome == "ok" for outcome, _ in told), told
        assert place.status()["daemon"]["ledger_error"] is None
    assert len(ledger_lines(path(place))) > KILLS


def test_a_start_repairs_what_was_torn(place: Place, daemons: Offspring) -> None:
    """Before anything else is written."""
    assert place.through(SHIM).served
    daemons.kill(*daemons.daemons())
    with path(place).open("ab") as file:
        file.write(b'{"time": "2026-')
    place.home.succeed("agentkeys", "daemon", "start")
    found = recovered(assert_chained(path(place)))
    assert found == [("ok", 'a torn line of 15 bytes was removed: {"time": "2026-')]


def test_a_ledger_that_was_cut_off_is_told_from_the_start(place: Place) -> None:
    """In status, and in the ledger for ever."""
    assert place.through(SHIM).served
    place.home.succeed("agentkeys", "daemon", "stop")
    lines = path(place).read_bytes().splitlines(keepends=True)
    path(place).write_bytes(lines[0])
    place.home.succeed("agentkeys", "daemon", "start")
    said = f"the ledger ended at record 1, its head is at {len(lines)}: records are missing"
    problem = place.status()["daemon"]["ledger_error"]
    assert (problem["code"], problem["message"]) == ("audit_error", said)
    assert problem["hint"] == "run: agentkeys audit verify"
    login, gap = ledger_lines(path(place))
    assert (gap["seq"], gap["outcome"], gap["outcome_detail"]) == (len(lines) + 1, "error", said)
    assert gap["previous"] == json.loads(lines[-1])["chain"] != login["chain"]
    assert head(place)["head"] == {"seq": gap["seq"], "chain": gap["chain"]}


def test_its_head_can_be_asked_for(place: Place) -> None:
    """Also by a program in a run: it gives nothing away."""
    assert place.through(SHIM).served
    last = ledger_lines(path(place))[-1]
    found = head(place)
    assert found["version"] == 1
    assert found["head"] == {"seq": last["seq"], "chain": last["chain"]}
    assert (found["kept_in"], found["head_error"], found["waiting"]) == ("memory", None, 0)
    # A mint is worth a save at once.
    wait_until(lambda: head(place)["kept_head"]["seq"] >= 2)
    kept = json.loads(path(place).with_name("head.json").read_text())
    assert {"seq": kept["seq"], "chain": kept["chain"]} == head(place)["kept_head"]
    with running(place.home) as program:
        done = program.do(sys.executable, "-I", "-c", ASK, place.home.socket)
        assert done.status == 0, done
        assert json.loads(done.stdout)["version"] == 1


def test_the_end_of_a_daemon_keeps_its_head(place: Place) -> None:
    """However short its life."""
    assert place.through(SHIM).served
    assert place.through(SHIM).served
    place.home.succeed("agentkeys", "daemon", "stop")
    last = ledger_lines(path(place))[-1]
    kept = json.loads(path(place).with_name("head.json").read_text())
    assert kept == {"version": 1, "seq": last["seq"], "chain": last["chain"]}


def test_a_restart_takes_along_what_could_not_be_written(place: Place) -> None:
    """It is written by the next daemon, before its own records."""
    assert place.through(SHIM).served
    kept = path(place).with_name("kept")
    path(place).rename(kept)
    path(place).mkdir()
    assert place.through(SHIM).served
    assert head(place)["waiting"] == 1
    place.home.succeed("agentkeys", "daemon", "restart")
    assert head(place)["waiting"] == 1
    path(place).rmdir()
    kept.rename(path(place))
    assert place.through(SHIM).served
    assert head(place)["waiting"] == 0
    events = [line["event"] for line in assert_chained(path(place))]
    assert events == ["login", "mint", "serve", "serve", "serve"]


def test_two_daemons_on_one_state_folder_share_one_chain(place: Place) -> None:
    """Each with a socket of its own."""
    other = {"AGENTKEYS_SOCKET": str(place.home.socket.with_name("other.sock"))}
    session = place.broker.session_jwt(BOB)
    done = place.home.run("agentkeys", "login", "me", "--session-stdin", stdin=session, env=other)
    assert done.status == 0, done
    try:
        for _ in range(5):
            assert place.through(SHIM).served
            assert place.home.run(SHIM, env=other).status == 0
    finally:
        place.home.run("agentkeys", "daemon", "stop", env=other)
    found = assert_chained(path(place))
    assert Counter(line["event"] for line in found) == {"login": 2, "mint": 2, "serve": 10}
    assert place.status()["daemon"]["ledger_error"] is None


def test_one_that_is_gone_begins_anew_where_it_was(place: Place) -> None:
    """As by a log rotation of somebody's own: the chain goes on."""
    assert place.through(SHIM).served
    away = path(place).with_name("away.jsonl")
    path(place).rename(away)
    assert place.through(SHIM).served
    [line] = ledger_lines(path(place))
    last = json.loads(away.read_bytes().splitlines()[-1])
    assert (line["seq"], line["previous"]) == (last["seq"] + 1, last["chain"])
