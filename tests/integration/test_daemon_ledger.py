"""The ledger's lines for what the daemon does: all fields, always, and never a secret."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.killing import wait_until
from tests.support.place import ROLE, Place, assert_keeps_secrets, place_in
from tests.support.programs import Home
from tests.support.tokens import ALICE, BOB, CAROL

FIELDS = [
    "time", "event_id", "event", "outcome", "outcome_detail", "reason", "error_code", "identity",
    "subject", "requester_wallet", "requester_token_hash", "profile", "store", "requested_role",
    "sts_session_name", "run_id", "uid", "pid", "exe", "parent_exe", "cwd",
    "session_duration_seconds", "duration_got", "policy_hash", "access_key_id", "sts_request_id",
    "expires_at", "seq", "previous", "chain",
]  # fmt: skip
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")

Line = dict[str, Any]


@pytest.fixture
def place(home: Home) -> Iterator[Place]:
    """ALICE has just logged in, and the ledger has no other line."""
    shutil.rmtree(home.state / "audit", ignore_errors=True)
    with place_in(home, ALICE, BOB, CAROL) as found:
        yield found


def ledger(place: Place) -> Path:
    return place.home.state / "audit" / "ledger.jsonl"


def lines(place: Place) -> list[Line]:
    return [json.loads(line) for line in ledger(place).read_text(encoding="utf-8").splitlines()]


def told(line: Line) -> set[str]:
    """The names of what a line says."""
    return {name for name in line if line[name] is not None}


def assert_of_us(line: Line) -> None:
    """The peer is this very process."""
    assert line["uid"] == os.getuid()
    assert line["pid"] == os.getpid()
    if sys.platform == "linux":
        assert line["exe"] == str(Path("/proc/self/exe").readlink())
        assert line["parent_exe"]
        assert line["cwd"] == str(Path.cwd())


ALWAYS = {"time", "event_id", "event", "outcome", "seq", "previous", "chain"}
WHO = {"identity", "subject", "requester_wallet", "requester_token_hash"}
WHAT = {"profile", "store", "requested_role", "session_duration_seconds"}
LEASE = {"sts_session_name", "duration_got", "access_key_id", "sts_request_id", "expires_at"}
PEER = {"uid", "pid", "exe", "parent_exe", "cwd"}


def test_everything_that_happens_has_its_line(place: Place) -> None:
    """In the order in which it happened, each with every field, absent ones being null."""
    served = place.through("GET credentials")
    run = place.through("POST runs")
    # Its program has ended by now, and the system tells the daemon so.
    wait_until(lambda: lines(place)[-1]["event"] == "run_end")
    place.sts.refuse_with(403, "AccessDenied")
    place.tables["profiles"]["data"] = place.sound_profile(duration="30m")
    place.configure()
    place.through("GET credentials")
    place.log_out()

    found = lines(place)
    assert [line["event"] for line in found] == [
        "login", "mint", "serve", "run_start", "run_end", "mint", "refuse", "logout",
    ]  # fmt: skip
    for line in found:
        assert list(line) == FIELDS
        assert TIME.fullmatch(line["time"])
    assert len({line["event_id"] for line in found}) == len(found)
    end = found.pop(4)
    login, mint, serve, start, failed, refuse, logout = found

    assert told(login) == told(logout) == ALWAYS | WHO | PEER
    assert told(mint) == ALWAYS | WHO | WHAT | LEASE | {"uid"}
    assert told(serve) == ALWAYS | WHO | WHAT | LEASE | PEER
    assert told(start) == ALWAYS | WHO | WHAT | LEASE | PEER | {"run_id"}
    assert told(failed) == ALWAYS | WHO | WHAT | {"outcome_detail", "error_code", "uid",
                                                  "sts_request_id"}  # fmt: skip
    assert told(refuse) == ALWAYS | WHO | WHAT | PEER | {"outcome_detail", "error_code"}

    assert told(end) == ALWAYS | {"identity", "profile", "subject", "run_id", "uid", "pid"}
    assert end["identity"] == "me"
    assert (end["run_id"], end["pid"]) == (start["run_id"], start["pid"])

    for line in (login, serve, refuse, logout):
        assert_of_us(line)
    for line in found:
        assert line["identity"] == "me"
        assert line["subject"] == line["requester_wallet"] == ALICE.wallet
        hashed = hashlib.sha256(place.sessions[0].encode()).hexdigest()
        assert line["requester_token_hash"] == hashed
    for line in (mint, serve, start):
        assert line["outcome"] == "ok"
        assert line["access_key_id"] == served.key == run.key
        assert line["requested_role"] == ROLE
        assert line["session_duration_seconds"] == 3600
        assert 3590 <= line["duration_got"] <= 3600
        assert line["sts_session_name"] == place.sts.requests[0].form["RoleSessionName"]
        assert TIME.fullmatch(line["expires_at"])
        assert line["expires_at"] in served.text
    assert f"AGENTKEYS_RUN={start['run_id']}\0" in run.text
    assert re.fullmatch(r"[a-z2-7]{16}", start["run_id"])
    for line in (failed, refuse):
        assert line["outcome"] == "sts_error"
        assert line["error_code"] == "sts_refused"
        assert "AccessDenied" in line["outcome_detail"]


def test_a_run_that_cannot_begin_has_ended(place: Place) -> None:
    """Where nothing can be written down of it, its start does not stay on record for ever."""
    place.configure()
    in_the_way = Path(f"{place.home.socket}.runs")
    shutil.rmtree(in_the_way, ignore_errors=True)
    in_the_way.touch(mode=0o600)
    assert place.home.run("agentkeys", "exec", "--refresh", "--", "true").status == 125
    start, end = [line for line in lines(place) if line["event"].startswith("run_")]
    assert (start["event"], end["event"]) == ("run_start", "run_end")
    assert start["run_id"] == end["run_id"]


def test_a_role_session_name_leads_from_the_stores_trail_to_the_user(place: Place) -> None:
    """`agentkeys-`, the wallet's first 24 characters, and when it was minted."""
    place.through("GET credentials")
    name = place.sts.requests[0].form["RoleSessionName"]
    assert re.fullmatch(rf"agentkeys-{ALICE.wallet[:24]}-\d{{10}}", name)


def test_users_without_a_wallet_are_named_by_their_account(place: Place) -> None:
    """As in the broker's own rows."""
    place.log_in(CAROL)
    place.through("GET credentials")
    assert {line["requester_wallet"] for line in lines(place)[1:]} == {CAROL.omni}


def test_every_refusal_that_concerns_credentials_is_recorded(place: Place) -> None:
    """By the code that the client was told."""
    place.broker.mint_mismade("without tags")
    place.through("GET credentials")
    place.start_over()
    place.broker.mint_mismade("with another's wallet")
    place.through("POST runs")
    place.tables["profiles"]["data"] = place.sound_profile(expect_wallet=BOB.wallet)
    place.configure()
    place.through("GET credentials")
    place.log_out()
    place.through("GET credentials")
    refused = [line for line in lines(place) if line["event"] == "refuse"]
    codes = ["token_unconfined", "token_unconfined", "wrong_identity", "login_required"]
    assert [line["error_code"] for line in refused] == codes
    assert {line["outcome"] for line in refused} == {"error"}
    assert not [line for line in lines(place) if line["access_key_id"]]


def test_nothing_in_it_opens_anything(place: Place) -> None:
    """Not after answers that repeat tokens and secrets either."""
    place.through("POST runs")
    place.tables["profiles"]["data"] = place.sound_profile(duration="30m")
    place.configure()
    place.sts.refuse_with(400, "InvalidIdentityToken", f"bad token {place.sessions[0]} secret-1")
    place.sts.refuse_with(400, "InvalidIdentityToken", f"bad token {place.sessions[0]} secret-1")
    assert not place.through("GET credentials").served
    place.start_over()
    place.broker.answer_with(
        "/v1/mint-oidc-jwt", 400, {"error": "bad", "message": place.sessions[0]}
    )
    assert not place.through("GET credentials").served
    assert place.hand_over(place.sessions[0] + ".").status != 200
    text = ledger(place).read_text(encoding="utf-8")
    assert text.count("\n") >= 7
    assert_keeps_secrets(text, place.sessions)


def test_it_is_private_and_only_grows(place: Place) -> None:
    """0600 in a folder 0700; what was written stays as it was."""
    place.through("GET credentials")
    before = ledger(place).read_bytes()
    place.through("GET credentials")
    assert ledger(place).read_bytes().startswith(before)
    assert stat.S_IMODE(ledger(place).stat().st_mode) == 0o600
    assert stat.S_IMODE(ledger(place).parent.stat().st_mode) == 0o700


def test_one_that_was_moved_away_begins_anew(place: Place) -> None:
    """As log rotation does it, without a restart."""
    place.through("GET credentials")
    ledger(place).rename(ledger(place).with_name("old.jsonl"))
    place.through("GET credentials")
    assert [line["event"] for line in lines(place)] == ["serve"]
    assert stat.S_IMODE(ledger(place).stat().st_mode) == 0o600


def test_a_link_in_its_place_is_not_followed(place: Place) -> None:
    """Whoever put it there would have the daemon write elsewhere."""
    elsewhere = place.home.folder / "elsewhere"
    ledger(place).unlink()
    ledger(place).symlink_to(elsewhere)
    assert place.through("GET credentials").served
    assert not elsewhere.exists()
    assert place.status()["daemon"]["ledger_error"]["code"] == "audit_error"
