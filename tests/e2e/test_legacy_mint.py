"""`exec --legacy-mint`: a caller of the brokers' old mint goes on unchanged, as itself alone."""

from __future__ import annotations

import json
import os
import re
import signal
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from agentkeys.clock import format_utc
from agentkeys.processes import ProcessId
from tests.fakes.broker import MINT
from tests.support.killing import wait_until
from tests.support.old_callers import LEGACY, mint
from tests.support.place import ROLE, Place, assert_keeps_secrets, place_in
from tests.support.programs import PATIENCE, Home
from tests.support.raw_http import RawAnswer
from tests.support.runs import fetch, ledger, listed, running, wait_for_end
from tests.support.samples import broker_sample
from tests.support.tokens import ALICE, BOB, MISMADE, mismade_jwt

REFRESH = "--refresh"
RULE = "s3://bucket/data/:rw"
SIGNED = json.dumps(broker_sample("mint-aws-creds.request.v2")).encode()
SCRAPER = Path(__file__).parent / "programs" / "old_scraper.py"
KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
MANY = 100_000


@pytest.fixture
def place(warm_home: Home) -> Iterator[Place]:
    """ALICE is logged in, the ledger is empty, and nothing runs."""
    warm_home.succeed("agentkeys", "daemon", "start")
    wait_until(lambda: not listed(warm_home))
    with place_in(warm_home, ALICE, BOB) as found:
        found.tables["profiles"]["data"]["bucket"] = "bucket"
        found.configure()
        (warm_home.state / "audit" / "ledger.jsonl").unlink(missing_ok=True)
        yield found


def given(answer: RawAnswer) -> dict[str, Any]:
    """The document of a success."""
    assert answer.status == 200, answer
    document: dict[str, Any] = answer.json()
    return document


def refused(answer: RawAnswer) -> tuple[int, str]:
    """Status and error of what is no success, which gives nothing away."""
    assert_keeps_secrets(answer.body.decode())
    document = answer.json()
    assert list(document) == ["error", "message"]
    return answer.status, document["error"]


def on_record(home: Home) -> list[Path]:
    """What the daemon keeps of its runs."""
    return [*home.socket.with_name(f"{home.socket.name}.runs").glob("*")]


# what the program is given


def test_the_program_is_given_a_url_a_token_and_its_keys(place: Place) -> None:
    """The URL has no path, and the token is nowhere but in the two places that have to have it."""
    with running(place.home, *LEGACY) as program:
        port = place.status()["daemon"]["endpoint_port"]
        assert program.variables["BROKER_URL"] == f"http://127.0.0.1:{port}"
        token = program.variables["BROKER_TOKEN"]
        assert re.fullmatch(r"[A-Za-z0-9_-]{43}", token)
        assert all(program.variables[name] for name in KEYS)
        assert not [name for name in program.variables if "AWS_CONTAINER" in name]
        kept = on_record(place.home)
        assert {path.name for path in kept} == {"endpoint.json", f"{program.id}.json"}
        assert not [path for path in kept if token in path.read_text()]
        (run,) = listed(place.home).values()
        assert (run["door"], run["lease"], run["state"]) == ("legacy-mint", "own", "live")
        assert " legacy-mint " in place.home.succeed("agentkeys", "runs")


def test_it_mints_as_ever(place: Place) -> None:
    """The lease that the program's own keys are of, however often it asks."""
    with running(place.home, *LEGACY) as program:
        document = given(mint(program.variables))
        assert list(document) == [*broker_sample("mint-aws-creds.200.legacy")]
        assert document["wallet"] == ALICE.wallet
        names = ("access_key_id", "secret_access_key", "session_token")
        assert [document[name] for name in names] == [program.variables[name] for name in KEYS]
        for _ in range(3):
            assert given(mint(program.variables)) == document
        assert len(place.sts.requests) == 1
        ends = datetime.fromtimestamp(document["expiration"], UTC)
        assert program.variables["AWS_CREDENTIAL_EXPIRATION"] == format_utc(ends)


def test_one_that_signs_gets_a_record_that_is_in_the_ledger(place: Place) -> None:
    """The later shape; whose signature it is, nobody looks at."""
    with running(place.home, *LEGACY) as program:
        document = given(mint(program.variables, body=SIGNED))
        assert list(document) == [*broker_sample("mint-aws-creds.200.v2")]
        assert document["anchored"] == []
        (served,) = ledger(place.home, "serve", run=program.id)
        record = re.fullmatch(r"aud_(\d{10})_([0-9a-f]{16})", document["audit_record_id"])
        assert record
        assert record[2] == served["event_id"]


def test_it_goes_with_the_endpoint_of_sdks(place: Place) -> None:
    """One token for both, and one lease; fixed keys there are none."""
    with running(place.home, *LEGACY, REFRESH) as program:
        token = program.variables["BROKER_TOKEN"]
        assert program.variables["AWS_CONTAINER_AUTHORIZATION_TOKEN"] == token
        assert not {*KEYS} & {*program.variables}
        assert program.fetch().json()["Token"] == given(mint(program.variables))["session_token"]
        assert listed(place.home)[program.id]["door"] == "endpoint+legacy-mint"


def test_each_door_is_for_those_who_asked_for_it(place: Place) -> None:
    """A run's token opens no other."""
    with running(place.home, *LEGACY) as old, running(place.home, REFRESH) as new:
        token = new.variables["AWS_CONTAINER_AUTHORIZATION_TOKEN"]
        mixed = {"BROKER_URL": old.variables["BROKER_URL"], "BROKER_TOKEN": token}
        assert refused(mint(mixed)) == (401, "unauthorized")
        url = f"{old.variables['BROKER_URL']}/v1/runs/{old.id}/credentials"
        asked = {
            "AWS_CONTAINER_CREDENTIALS_FULL_URI": url,
            "AWS_CONTAINER_AUTHORIZATION_TOKEN": old.variables["BROKER_TOKEN"],
        }
        assert fetch(asked).status == 401


def test_it_may_be_narrowed_and_its_other_options_count(place: Place) -> None:
    """What it mints is as narrow as what it was given, and --keep-env does not get in the way."""
    options = ("--allow", RULE, "--set", "BUCKET=bucket", "--keep-env", "BROKER_TOKEN")
    with running(place.home, *LEGACY, *options, env={"BROKER_TOKEN": "old"}) as program:
        assert program.variables["BUCKET"] == "bucket"
        place.home.succeed("agentkeys", "forget")
        assert given(mint(program.variables))["access_key_id"] != program.variables[KEYS[0]]
        first, second = (request.form["Policy"] for request in place.sts.requests)
        assert first == second
        assert "bucket/data/*" in first


def test_many_programs_mint_each_its_own(place: Place) -> None:
    """The token tells whose."""
    with (
        running(place.home, *LEGACY) as first,
        running(place.home, "--legacy-mint", "BROKER_URL:BROKER_TOKEN") as second,
    ):
        for program in (first, second, first):
            assert given(mint(program.variables))["access_key_id"] == program.variables[KEYS[0]]
        assert first.variables[KEYS[0]] != second.variables[KEYS[0]]


# what is refused before it starts


@pytest.mark.parametrize(
    ("names", "words"),
    [
        ("BROKER_URL", "is not URL_VARIABLE:TOKEN_VARIABLE"),
        ("BROKER-URL:BROKER_TOKEN", "is not URL_VARIABLE:TOKEN_VARIABLE"),
        ("AGENTKEYS_CONFIG:TOKEN", "AGENTKEYS_CONFIG has a meaning of its own"),
        ("URL:AWS_SESSION_TOKEN", "AWS_SESSION_TOKEN has a meaning of its own"),
        ("BROKER:BROKER", "names BROKER for the URL and for the token"),
    ],
)
def test_names_that_cannot_be_are_refused(place: Place, names: str, words: str) -> None:
    """Before anything is minted."""
    done = place.home.run("agentkeys", "exec", "--legacy-mint", names, "--", "touch", "ran")
    assert (done.status, done.stdout) == (125, "")
    error, hint = done.complaint()
    assert words in error
    assert hint
    assert place.sts.requests == []
    assert not (place.home.work / "ran").exists()


def test_explained_it_shows_no_token(place: Place) -> None:
    """Nor opens a door."""
    shown = place.home.succeed("agentkeys", "exec", *LEGACY, "--explain")
    assert "+ BROKER_TOKEN=(of the run)\n" in shown
    assert "+ BROKER_URL=(of the run)\n" in shown
    assert listed(place.home) == {}


def test_without_it_nothing_of_it_is_loaded(place: Place) -> None:
    """Every other start is as fast as before."""
    program = place.home.program("agentkeys")
    loaded = {}
    for options in ((), LEGACY):
        done = place.home.run(
            sys.executable, "-I", "-S", "-X", "importtime", program, "exec", *options, "--", "true"
        )
        assert done.status == 0
        loaded[options] = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    more = loaded[LEGACY] - loaded[()]
    assert more == {"agentkeys_shell.own_names", "agentkeys.variable_names"}


# what is told of it


def test_the_ledger_tells_what_it_believed_to_ask_for(place: Place) -> None:
    """The mint is of the profile's role, since no other has any part in it."""
    with running(place.home, *LEGACY) as program:
        mint(program.variables)
        program.shim()
        place.home.succeed("agentkeys", "forget")
        place.broker.answer_with(MINT, 503, {}, times=MANY)
        assert refused(mint(program.variables)) == (502, "backend_unreachable")
        program.end()
    wait_for_end(place.home, program.id)
    lines = [(line["event"], line["requested_role"]) for line in ledger(place.home, run=program.id)]
    assert lines == [
        ("mint", ROLE),
        ("run_start", ROLE),
        ("serve", "data-role-via-jwt"),
        ("serve", ROLE),
        ("mint", ROLE),
        ("refuse", "data-role-via-jwt"),
        ("run_end", None),
    ]
    served = ledger(place.home, "serve", run=program.id)[0]
    for name, value in {
        "outcome": "ok",
        "identity": "me",
        "profile": "data",
        "store": "lab",
        "requester_wallet": ALICE.wallet,
        "session_duration_seconds": 3600,
        "access_key_id": program.variables[KEYS[0]],
        "sts_session_name": place.sts.requests[0].form["RoleSessionName"],
        "pid": program.process.pid,
    }.items():
        assert served[name] == value
    assert_keeps_secrets(json.dumps(ledger(place.home)), place.sessions)


def test_ends_name_the_identity(place: Place) -> None:
    """Of the run, whatever its profile has become."""
    with running(place.home, *LEGACY) as program, running(place.home) as other:
        place.tables["identities"]["them"] = place.tables["identities"]["me"]
        place.tables["profiles"]["data"]["identity"] = "them"
        place.configure()
        place.home.succeed("agentkeys", "forget", "--run", program.id)
        other.end()
    wait_for_end(place.home, program.id, other.id)
    for event, run in (("forget", program.id), ("run_end", program.id), ("run_end", other.id)):
        (line,) = ledger(place.home, event, run=run)
        assert (line["identity"], line["profile"]) == ("me", "data")


# nothing after the run, and never anybody else's


def test_with_the_program_its_token_ends(place: Place) -> None:
    """Whoever has got hold of it."""
    with running(place.home, *LEGACY) as keeper, running(place.home, *LEGACY) as program:
        assert given(mint(program.variables))
        program.kill()
        wait_for_end(place.home, program.id)
        assert refused(mint(program.variables)) == (401, "unauthorized")
        assert given(mint(keeper.variables))


def test_what_is_taken_away_is_not_minted_again(place: Place) -> None:
    """The program goes on, and gets nothing."""
    with running(place.home, *LEGACY) as program:
        place.home.succeed("agentkeys", "forget", "--run", program.id)
        assert refused(mint(program.variables)) == (401, "unauthorized")
        run = listed(place.home)[program.id]
        assert (run["state"], run["door"]) == ("forgotten", "legacy-mint")
        assert len(place.sts.requests) == 1


def test_a_run_that_is_forgotten_while_it_waits_gets_nothing(place: Place) -> None:
    """And the ledger says that nothing was served."""
    with running(place.home, *LEGACY) as program:
        place.home.succeed("agentkeys", "forget")
        place.sts.requests.clear()
        answers: list[RawAnswer] = []
        asker = threading.Thread(target=lambda: answers.append(mint(program.variables)))
        with place.sts.stuck():
            asker.start()
            wait_until(lambda: bool(place.sts.requests))
            forgetting = place.home.start("agentkeys", "forget", "--run", program.id)
            wait_until(lambda: listed(place.home)[program.id]["state"] == "forgotten")
        with forgetting:
            forgetting.communicate(timeout=PATIENCE)
        asker.join(PATIENCE)
        assert refused(answers[0]) == (401, "unauthorized")
        assert ledger(place.home, "serve", run=program.id) == []


def test_a_token_that_confines_nobody_is_never_traded(place: Place) -> None:
    """A good one let the program begin; no untagged session ever takes its place."""
    with running(place.home, *LEGACY) as program:
        calls = len(place.sts.requests)
        for how in MISMADE:
            place.home.succeed("agentkeys", "forget")
            token = mismade_jwt(how, place.broker.web_identity_claims())
            place.broker.answer_with(MINT, 200, {"jwt": token}, times=MANY)
            assert refused(mint(program.variables)) == (403, "forbidden")
            place.broker.forget_answers()
        assert len(place.sts.requests) == calls
        place.home.succeed("agentkeys", "forget")
        assert given(mint(program.variables))["wallet"] == ALICE.wallet


def test_it_starts_with_no_such_token_either(place: Place) -> None:
    """The program never runs."""
    place.broker.mint_mismade("without tags")
    done = place.home.run("agentkeys", "exec", *LEGACY, "--", "touch", "ran")
    assert (done.status, done.stdout) == (125, "")
    assert place.sts.requests == []
    assert not (place.home.work / "ran").exists()


def test_it_stays_with_its_own_user(place: Place) -> None:
    """Whoever logs in later."""
    with running(place.home, *LEGACY) as program:
        place.log_in(BOB)
        assert refused(mint(program.variables)) == (403, "forbidden")
        place.log_in(ALICE)
        assert given(mint(program.variables))["wallet"] == ALICE.wallet


def test_a_run_inside_gets_no_more(place: Place) -> None:
    """Be it begun with the old door or with another."""
    with running(place.home, *LEGACY, "--read-only", "--allow", RULE) as program:
        inside = program.do("agentkeys", "exec", *LEGACY, "--allow", "s3://bucket/:rw", "--", "env")
        assert (inside.status, inside.stdout) == (125, "")
        inside = program.do("agentkeys", "exec", "--legacy-mint", "A:B", "--", "env")
        assert inside.status == 0, inside
        assert "s3:PutObject" not in place.sts.requests[-1].form["Policy"]


# in time


def test_a_cold_mint_is_waited_for(place: Place) -> None:
    """For longer than SDKs would: old callers ask once, and wait."""
    with running(place.home, *LEGACY) as program:
        place.home.succeed("agentkeys", "forget")
        place.sts.requests.clear()
        answers: list[RawAnswer] = []
        asker = threading.Thread(target=lambda: answers.append(mint(program.variables)))
        with place.sts.stuck():
            asker.start()
            wait_until(lambda: bool(place.sts.requests))
            asker.join(1.5)
            assert asker.is_alive()
        asker.join(PATIENCE)
        assert given(answers[0])


def test_one_mint_for_many(place: Place) -> None:
    """Who asks together shares it."""
    with running(place.home, *LEGACY) as program:
        place.home.succeed("agentkeys", "forget")
        place.sts.requests.clear()
        answers: list[RawAnswer] = []
        askers = [
            threading.Thread(target=lambda: answers.append(mint(program.variables, body=SIGNED)))
            for _ in range(50)
        ]
        for asker in askers:
            asker.start()
        for asker in askers:
            asker.join(PATIENCE)
        documents = [given(answer) for answer in answers]
        assert len({document["access_key_id"] for document in documents}) == 1
        assert len({document["audit_record_id"] for document in documents}) == 50
        assert len(place.sts.requests) == 1


# over the daemon's own life


def test_a_restart_keeps_the_door_open(place: Place) -> None:
    """At the same URL, for the same token."""
    with running(place.home, *LEGACY) as program:
        before = listed(place.home)[program.id]["door"]
        place.home.succeed("agentkeys", "daemon", "restart")
        assert given(mint(program.variables))["wallet"] == ALICE.wallet
        assert listed(place.home)[program.id]["door"] == before
        program.end()
    wait_for_end(place.home, program.id)
    (line,) = ledger(place.home, "run_end", run=program.id)
    assert line["identity"] == "me"


@pytest.mark.parametrize("options", [LEGACY, (*LEGACY, REFRESH)], ids=["alone", "with refresh"])
def test_a_crash_is_survived(place: Place, options: tuple[str, ...]) -> None:
    """The next daemon opens the door where it was."""
    with running(place.home, *options) as program:
        pid = place.home.daemon_pid()
        assert pid
        daemon = ProcessId.of(pid)
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not (daemon and daemon.is_alive))
        with pytest.raises(ConnectionRefusedError):
            mint(program.variables)
        place.home.succeed("agentkeys", "daemon", "start")
        place.log_in()
        assert given(mint(program.variables))["wallet"] == ALICE.wallet


# what tokens are fetched with


def test_what_fetches_tokens_does_not_reach_the_program(place: Place) -> None:
    """It would open more than the run has."""
    hostile = {
        "ACTIONS_ID_TOKEN_REQUEST_URL": "https://tokens.example.com",
        "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "request-token",
        "AGENTKEYS_CLIENT_SECRET": "client-secret",
        "AGENTKEYS_CLIENT_SECRET_CI": "client-secret",
        "AWS_WEB_IDENTITY_TOKEN_FILE": "/a/token",
    }
    with running(place.home, env=hostile) as program:
        assert not {*hostile} & {*program.variables}
    kept = ("--keep-env", "ACTIONS_ID_TOKEN_REQUEST_URL")
    with running(place.home, *kept, env=hostile) as program:
        assert {*hostile} & {*program.variables} == {"ACTIONS_ID_TOKEN_REQUEST_URL"}
    done = place.home.run(
        "agentkeys", "exec", "--keep-env", "AGENTKEYS_CLIENT_SECRET", "--", "env", env=hostile
    )
    assert (done.status, done.stdout) == (125, "")
    error, _ = done.complaint()
    assert error.startswith("AGENTKEYS_CLIENT_SECRET holds the secret of an identity")


# the whole way


@pytest.mark.parametrize("signs", [False, True], ids=["a bearer alone", "signed"])
@pytest.mark.parametrize("options", [(), (REFRESH,), ("--allow",)], ids=["", "refresh", "narrow"])
def test_an_old_scraper_reaches_its_own_prefix_and_no_other(
    sandbox_home: Home, options: tuple[str, ...], signs: bool
) -> None:
    """Unchanged, at a real store: what brokers' own role would have let it do is denied."""
    wallet = json.loads(sandbox_home.succeed("agentkeys", "whoami", "--json"))["wallet"]
    own = f"bots/{wallet}/"
    rule = (f"s3://agentkeys/{own}:rw",) if "--allow" in options else ()
    signed = sandbox_home.work / "request.json"
    signed.write_bytes(SIGNED)
    arguments = ["agentkeys", own, "bots/0xdeadbeef/", *([str(signed)] if signs else [])]
    done = sandbox_home.succeed(
        "agentkeys", "exec", *options, *rule, *LEGACY, "--", sys.executable, SCRAPER, *arguments
    )
    found = json.loads(done)
    assert found["given"]["wallet"] == wallet
    assert ("anchored" in found["given"]) is signs
    assert found["said"] == {own: ["done"] * 3, "bots/0xdeadbeef/": ["AccessDenied"] * 3}
