"""`audit = "required"`: nobody gets credentials that the ledger does not tell of."""

from __future__ import annotations

import json
import resource
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from tests.support.chains import Line, assert_chained
from tests.support.old_callers import LEGACY, mint
from tests.support.place import DOORS, REFRESH, SHIM, Place, assert_keeps_secrets, place_in
from tests.support.programs import Home
from tests.support.raw_http import ask
from tests.support.runs import listed, running
from tests.support.tokens import ALICE, BOB


@pytest.fixture
def place(home: Home) -> Iterator[Place]:
    """ALICE is logged in, records are required, and the ledger has no others."""
    shutil.rmtree(home.state / "audit", ignore_errors=True)
    with place_in(home, ALICE, BOB) as found:
        found.tables["audit"] = "required"
        found.tables["profiles"]["data"]["bucket"] = "bucket"
        found.configure()
        yield found


def ledger(place: Place) -> Path:
    return place.home.state / "audit" / "ledger.jsonl"


def lines(place: Place) -> list[Line]:
    """The first record that this daemon has written need not be its first."""
    found = ledger(place).read_bytes().splitlines()
    assert found
    before = _before(found[0])
    return assert_chained(ledger(place), after=before)


def _before(line: bytes) -> tuple[int, str]:
    first = json.loads(line)
    return first["seq"] - 1, first["previous"]


@contextmanager
def folder_in_its_place(place: Place) -> Iterator[None]:
    path = ledger(place)
    kept = path.with_name("kept")
    path.rename(kept)
    path.mkdir()
    try:
        yield
    finally:
        path.rmdir()
        kept.rename(path)


@contextmanager
def full_disk(place: Place) -> Iterator[None]:
    """No file of the daemon's can be larger than the ledger is now."""
    pid = place.home.daemon_pid()
    assert pid
    size = ledger(place).stat().st_size
    soft, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (soft, hard))


Trouble = Callable[[Place], AbstractContextManager[None]]


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("trouble", [folder_in_its_place, full_disk])
def test_no_door_serves_without_a_record(place: Place, door: str, trouble: Trouble) -> None:
    """And says so; once it can be written again, all of them do, and the ledger tells of both."""
    with trouble(place):
        refused = place.through(door)
        assert not refused.served
        assert not refused.holds_credentials
        assert "the ledger" in refused.text
        assert place.status()["daemon"]["ledger_error"]["code"] == "audit_error"
        assert listed(place.home) == {}
    assert place.through(door).served
    assert place.status()["daemon"]["ledger_error"] is None
    found = [(line["event"], line["error_code"]) for line in lines(place)]
    assert found[:3] == [("login", None), ("mint", None), ("refuse", "audit_error")]
    # What asks for itself has a lease of its own, and the one that nobody got is dropped.
    handed_out = [event for event, _ in found[3:] if event != "mint"]
    assert handed_out[0] in ("serve", "run_start")
    assert len(place.sts.requests) == (2 if door == REFRESH else 1)


def test_the_environment_is_not_printed_either(place: Place) -> None:
    """`agentkeys env` is a door like any other."""
    with folder_in_its_place(place):
        done = place.home.run("agentkeys", "env")
        assert (done.status, done.stdout) == (1, "")
        assert "the ledger" in done.complaint()[0]
    assert "AWS_SESSION_TOKEN" in place.home.succeed("agentkeys", "env")


def test_a_run_that_fetches_gets_nothing_more(place: Place) -> None:
    """SDKs do not ask again and again for what a person has to mend."""
    with running(place.home, "--refresh") as program:
        assert program.fetch().status == 200
        with folder_in_its_place(place):
            answer = program.fetch()
            assert answer.status == 403
            assert answer.json()["code"] == "audit_error"
            assert_keeps_secrets(answer.body.decode())
        assert program.fetch().status == 200


def test_a_run_that_mints_gets_nothing_more(place: Place) -> None:
    """It is told as brokers tell of the same."""
    with running(place.home, *LEGACY) as program:
        assert mint(program.variables).status == 200
        with folder_in_its_place(place):
            answer = mint(program.variables)
            assert (answer.status, answer.json()["error"]) == (500, "audit_error")
            assert_keeps_secrets(answer.body.decode())
        assert mint(program.variables).status == 200


def test_taking_away_is_never_prevented(place: Place) -> None:
    """Forgetting and logging out work, and are told of later; so does logging in."""
    assert place.through(SHIM).served
    with folder_in_its_place(place):
        assert ask(place.home, "DELETE", "/v1/profiles/data/leases").status == 200
        place.log_out()
        place.log_in(BOB)
    assert place.through(SHIM).served
    events = [line["event"] for line in lines(place)]
    assert events == ["login", "mint", "serve", "forget", "logout", "login", "mint", "serve"]


def test_it_counts_at_once(place: Place) -> None:
    """With the next request after the configuration has changed, both ways."""
    place.tables["audit"] = "on"
    place.configure()
    with folder_in_its_place(place):
        assert place.through(SHIM).served
        place.tables["audit"] = "required"
        place.configure()
        assert not place.through(SHIM).served
        place.tables["audit"] = "on"
        place.configure()
        assert place.through(SHIM).served
    assert place.through(SHIM).served
    events = [line["event"] for line in lines(place)]
    assert events == ["login", "mint", "serve", "refuse", "serve", "serve"]
