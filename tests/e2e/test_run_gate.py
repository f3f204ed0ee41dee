"""What a program inside a run may ask of the daemon, and what is kept for those outside."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator

import pytest

from tests.support.killing import wait_until
from tests.support.place import ROLE, SHIM, Place, place_in
from tests.support.programs import Home, new_home
from tests.support.runs import ORPHAN, Program, ledger, listed, running, wait_for_end
from tests.support.tokens import ALICE, BOB

OUTSIDE = "do it from outside, where no agentkeys exec is above it"
WITHOUT = "env", "-u", "AGENTKEYS_RUN"
"""Before a command: it is not known by its environment."""
RULE = "s3://bucket/data/:rw"


@pytest.fixture(scope="module")
def home() -> Iterator[Home]:
    with new_home() as found:
        yield found


@pytest.fixture
def place(home: Home) -> Iterator[Place]:
    """Two profiles, `data` and `other`, of ALICE; the ledger is empty."""
    home.succeed("agentkeys", "daemon", "start")
    with place_in(home, ALICE, BOB) as found:
        found.tables["default_profile"] = "data"
        found.tables["profiles"]["data"]["bucket"] = "bucket"
        found.tables["profiles"]["other"] = found.sound_profile(role_arn=f"{ROLE}-other")
        found.configure()
        (home.state / "audit" / "ledger.jsonl").unlink(missing_ok=True)
        yield found


@pytest.fixture
def program(place: Place) -> Iterator[Program]:
    """One that runs with the profile `data`."""
    with running(place.home) as found:
        yield found


def key_in(text: str) -> str:
    """The access key in what a door has given."""
    for line in text.splitlines():
        if line.startswith("AWS_ACCESS_KEY_ID="):
            return line.partition("=")[2]
    return str(json.loads(text)["AccessKeyId"])


def policies(place: Place) -> list[str | None]:
    """Of all leases that were minted."""
    return [request.form.get("Policy") for request in place.sts.requests]


# its own


def test_its_own_credentials_it_gets_by_any_door(place: Place, program: Program) -> None:
    """The same that its profile's programs share."""
    key = program.variables["AWS_ACCESS_KEY_ID"]
    assert key_in(program.shim().stdout) == key
    assert key_in(program.do("agentkeys", "env", "--format", "dotenv").stdout.replace('"', "")) in (
        key,
        f"'{key}'",
    )
    assert key_in(program.do("agentkeys", "exec", "--", "env").stdout) == key
    assert len(place.sts.requests) == 1


@pytest.mark.parametrize(
    "command",
    ["agentkeys status", "agentkeys status --json -p data", "agentkeys runs", "agentkeys profiles"],
)
def test_what_holds_no_credentials_it_may_see(program: Program, command: str) -> None:
    """And ask how the daemon is."""
    done = program.do(*command.split())
    assert (done.status, done.stderr) == (0, ""), done
    assert "data" in done.stdout


def test_it_may_ask_who_it_is(place: Place, program: Program) -> None:
    """And who is logged in, as far as that is its own identity."""
    for options in ([], ["--profile", "data"]):
        done = program.do("agentkeys", "whoami", *options)
        assert (done.status, done.stderr) == (0, ""), done
        assert ALICE.wallet in done.stdout
    hidden = program.do(*WITHOUT, place.home.program("agentkeys"), "whoami")
    assert (hidden.status, ALICE.wallet in hidden.stdout) == (0, True), hidden


@pytest.mark.parametrize("options", [[], ["--allow", RULE]], ids=["whole", "narrow"])
def test_it_may_wait_for_its_own(place: Place, options: list[str]) -> None:
    """Without anything being minted that it does not have already."""
    with running(place.home, *options) as program:
        done = program.do("agentkeys", "wait", "--min-ttl", "1m")
        assert (done.status, done.stderr) == (0, ""), done
        assert key_in(program.shim().stdout) == program.variables["AWS_ACCESS_KEY_ID"]
        assert len(place.sts.requests) == 1
        # Longer than what is held lives: it is minted anew, no wider than before.
        place.tables["profiles"]["data"]["duration"] = "2h"
        place.configure()
        assert program.do("agentkeys", "wait", "--min-ttl", "90m").status == 0
        assert len(policies(place)) == 2
        assert len({*policies(place)}) == 1


def test_another_s_identity_is_out_of_reach(place: Place) -> None:
    """Who else is logged in is nothing to a program inside a run."""
    place.tables["identities"]["them"] = place.tables["identities"]["me"] | {"source": "broker"}
    place.tables["profiles"]["theirs"] = place.sound_profile(identity="them")
    place.configure()
    place.log_in(BOB, identity="them")
    with running(place.home) as program:
        done = program.do("agentkeys", "whoami", "--profile", "theirs")
        assert (done.status, done.stdout) == (1, ""), done
        assert program.id in done.complaint()[0]
        assert BOB.wallet not in done.stderr
        assert ALICE.wallet in program.do("agentkeys", "whoami").stdout
    with running(place.home, "--profile", "theirs") as theirs:
        assert BOB.wallet in theirs.do("agentkeys", "whoami", "--profile", "theirs").stdout
        assert theirs.do("agentkeys", "whoami", "--profile", "data").status == 1


def test_what_has_been_taken_away_is_neither_waited_for_nor_told(
    place: Place, program: Program
) -> None:
    """As with any other door."""
    place.home.succeed("agentkeys", "forget", "--run", program.id)
    for command in ("wait --min-ttl 1m", "whoami"):
        done = program.do("agentkeys", *command.split())
        assert (done.status, done.stdout) == (1, ""), done
        assert "have been taken away" in done.complaint()[0]


def test_what_it_gets_stands_in_the_ledger_with_its_run(program: Program) -> None:
    """Whichever of its processes has asked."""
    program.shim()
    program.do("sh", "-c", program.home.program(SHIM))
    served = ledger(program.home, "serve", run=program.id)
    assert len(served) == 2
    assert {line["profile"] for line in served} == {"data"}


# what is not


@pytest.mark.parametrize(
    "command",
    [
        f"{SHIM} --profile other",
        "agentkeys env --profile other",
        "agentkeys wait --min-ttl 20m --profile other",
    ],
)
def test_another_profile_is_out_of_reach(program: Program, command: str) -> None:
    """Also where nothing but the profile's name stands between them."""
    done = program.do(*command.split())
    assert (done.status, done.stdout) == (1, ""), done
    error, hint = done.complaint()
    assert program.id in error
    assert hint


def test_a_run_with_another_profile_is_refused(place: Place, program: Program) -> None:
    """By its name, as the default one, or by a variable."""
    for options, env in (
        (["--profile", "other"], {}),
        ([], {"AGENTKEYS_PROFILE": "other"}),
    ):
        done = program.do("agentkeys", "exec", *options, "--", "env", env=env)
        assert (done.status, done.stdout) == (125, ""), done
        error, _ = done.complaint()
        assert error == (
            "the program asks for another profile than its own, data:"
            f" it is inside run {program.id}"
        )
    with running(place.home, "--profile", "other") as other:
        done = other.shim(env={"AGENTKEYS_PROFILE": ""})
        assert (done.status, done.stdout) == (1, "")


@pytest.mark.parametrize(
    "command",
    [
        "agentkeys forget",
        "agentkeys forget data",
        "agentkeys forget --run {id}",
        "agentkeys daemon stop",
        "agentkeys daemon stop --force",
    ],
)
@pytest.mark.parametrize("before", [(), WITHOUT], ids=["", "hidden"])
def test_what_concerns_others_is_refused(
    place: Place, program: Program, before: tuple[str, ...], command: str
) -> None:
    """Whatever it does to its environment, and the daemon goes on as before."""
    pid = place.home.daemon_pid()
    words = command.format(id=program.id).split()
    done = program.do(*before, place.home.program(words[0]), *words[1:])
    assert done.status == 1, done
    assert done.complaint() == (
        f"a program inside a run cannot ask for this: it is inside run {program.id}",
        OUTSIDE,
    )
    (refused,) = ledger(place.home, "refuse")
    assert (refused["error_code"], refused["run_id"]) == ("inside_run", program.id)
    assert place.home.daemon_pid() == pid
    assert program.shim().status == 0


@pytest.mark.parametrize(
    "command", ["agentkeys login", "agentkeys login me --email a@example.com", "agentkeys logout"]
)
def test_a_login_is_refused_before_anything_is_sent(
    place: Place, program: Program, command: str
) -> None:
    """Nobody gets a mail, and nobody is asked for a session."""
    asked = len(place.broker.requests)
    done = program.do(*command.split())
    assert (done.status, done.stdout) == (1, ""), done
    error, hint = done.complaint()
    assert error.startswith("a program inside a run cannot ask for this: it was started inside run")
    assert hint == OUTSIDE
    assert len(place.broker.requests) == asked


def test_a_login_that_hides_is_refused_in_the_end(place: Place, program: Program) -> None:
    """By the daemon, whoever the session is of."""
    session = place.broker.session_jwt(BOB)
    login = f"{place.home.program('agentkeys')} login me --session-stdin"
    done = program.do(*WITHOUT, "sh", "-c", f"echo {session} | {login}")
    assert (done.status, done.stdout) == (1, ""), done
    assert program.id in done.complaint()[0]
    assert place.status()["identities"][0]["wallet"] == ALICE.wallet


# runs in runs


def test_a_run_in_a_run_has_no_more_than_that(place: Place) -> None:
    """It is refused what lies outside, and given what is inside."""
    with running(place.home, "--allow", RULE) as program:
        for rule in ("s3://bucket/:ro", "s3://bucket/data2/:ro", "s3://other/data/:ro"):
            done = program.do("agentkeys", "exec", "--allow", rule, "--", "env")
            assert (done.status, done.stdout) == (125, "")
            assert rule in done.complaint()[0]
        narrower = program.do("agentkeys", "exec", "--allow", "s3://bucket/data/a/:ro", "--", "env")
        assert narrower.status == 0, narrower
    whole, part = policies(place)
    assert whole
    assert "s3:PutObject" in whole
    assert part
    assert "s3:PutObject" not in part
    assert "bucket/data/a/*" in part


def test_a_run_in_a_run_that_asks_for_nothing_has_the_same(place: Place) -> None:
    """The lease of the one that it is in, and not the profile's own."""
    with running(place.home, "--allow", RULE) as program:
        done = program.do("agentkeys", "exec", "--", "env")
        assert key_in(done.stdout) == program.variables["AWS_ACCESS_KEY_ID"]
        assert key_in(program.shim().stdout) == program.variables["AWS_ACCESS_KEY_ID"]
    assert len(place.sts.requests) == 1


def test_one_that_only_reads_stays_so(place: Place) -> None:
    """However often it is begun anew, and by whatever rules."""
    with running(place.home, "--read-only", "--allow", RULE) as program:
        done = program.do("agentkeys", "exec", "--allow", RULE, "--", "env")
        assert (done.status, done.stdout) == (125, "")
        for options in (["--refresh"], ["--allow", "s3://bucket/data/b/:ro"], ["--read-only"]):
            done = program.do("agentkeys", "exec", *options, "--", "env")
            assert done.status == 0, done
    assert len(policies(place)) == 4
    assert not any("s3:PutObject" in (policy or "s3:PutObject") for policy in policies(place))


def test_a_program_that_becomes_a_narrower_run_is_in_that_one(place: Place) -> None:
    """The same process, which has asked for more a moment ago."""
    with running(place.home) as program:
        wide = key_in(program.shim().stdout)
        outer = program.id
        program.become_obedient("env", f"AGENTKEYS_SOCKET={place.home.socket}", "agentkeys",
                                "exec", "--allow", RULE, "--")  # fmt: skip
        assert {*listed(place.home)} == {outer, program.id}
        narrow = key_in(program.shim().stdout)
        assert narrow == program.variables["AWS_ACCESS_KEY_ID"]
        assert narrow != wide
        assert policies(place)[0] is None
        assert policies(place)[1]
        program.end()
        wait_for_end(place.home, outer, program.id)


# an environment that says nothing


def test_an_empty_variable_is_no_run(place: Place) -> None:
    """For the daemon as for its clients; it hides nobody either."""
    env = {"AGENTKEYS_RUN": ""}
    assert place.home.run(SHIM, "--profile", "other", env=env).status == 0
    assert place.home.run("agentkeys", "forget", env=env).status == 0
    with running(place.home, env=env) as program:
        done = program.shim("--profile", "other", env=env)
        assert (done.status, done.stdout) == (1, "")
        assert f"it is inside run {program.id}" in done.complaint()[0]


# leaving the tree


@pytest.mark.parametrize("before", [(), WITHOUT], ids=["", "hidden"])
def test_a_double_fork_stays_inside(program: Program, before: tuple[str, ...]) -> None:
    """It keeps its own profile, and reaches no other."""
    shim = program.home.program(SHIM)
    assert program.orphan(*before, shim).status == 0
    done = program.orphan(*before, shim, "--profile", "other")
    assert (done.status, done.stdout) == (1, "")
    assert f"it is inside run {program.id}" in done.complaint()[0]


def test_where_exec_is_no_subreaper_it_is_known_by_its_environment(place: Place) -> None:
    """Which is what is left of where it came from."""
    with running(place.home, "--no-subreaper") as program:
        shim = program.home.program(SHIM)
        assert program.orphan(shim).status == 0
        done = program.orphan(shim, "--profile", "other")
        assert (done.status, done.stdout) == (1, "")
        assert f"it was started inside run '{program.id}'" in done.complaint()[0]
        # The limit of this: a process that wants to get out does.
        assert program.orphan(*WITHOUT, shim, "--profile", "other").status == 0


def test_who_outlives_its_run_gets_nothing(place: Place) -> None:
    """Its environment still says where it came from."""
    told, flag = place.home.work / "told", place.home.work / "flag"
    flag.unlink(missing_ok=True)
    shim = place.home.program(SHIM)
    wait = f"while ! test -e {flag}; do sleep 0.01; done; {shim} >{told}.out 2>{told}.err;"
    with running(place.home) as program:
        # Its output goes elsewhere, or the program would wait for it.
        program.do(*ORPHAN, "sh", "-c", f"({wait} echo $? >{told}) >/dev/null 2>&1 &")
        program.kill()
        wait_for_end(place.home, program.id)
    flag.touch()
    wait_until(lambda: told.exists() and told.read_text())
    assert told.read_text() == "1\n"
    assert told.with_suffix(".out").read_text() == ""
    said = told.with_suffix(".err").read_text()
    assert f"it was started inside run '{program.id}', which has ended" in said
    told.unlink()


def test_without_a_socket_path_of_its_own_it_does_not_look_elsewhere(place: Place) -> None:
    """AGENTKEYS_SOCKET does not reach it, and it starts no daemon of its own."""
    with running(place.home) as program:
        assert "AGENTKEYS_SOCKET" not in program.variables
        done = program.shim(env={"AGENTKEYS_SOCKET": str(place.home.folder / "none.sock")})
        assert (done.status, done.stdout) == (4, "")
        assert "starts none" in done.complaint()[0]
    assert not (place.home.folder / "none.sock").exists()
    assert os.getpid() != place.home.daemon_pid()
