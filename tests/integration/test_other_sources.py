"""Tokens from files, commands and GitHub's jobs, through every door of a daemon."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.fakes.github_issuer import FakeGithub
from tests.support.place import DOORS, EXEC, SHIM, Outcome, Place, assert_refused
from tests.support.tokens import ALICE, BOB, User, sign, web_identity_claims, web_identity_jwt

EXAMPLE = "repo:octo/site:ref:refs/heads/main"


def token(user: User) -> str:
    return web_identity_jwt(user, at=datetime.now(UTC))


@pytest.fixture
def folder(place: Place) -> Path:
    """A private one, where tokens may lie."""
    found = place.home.folder / "tokens"
    found.mkdir(mode=0o700, exist_ok=True)
    return found


def write(path: Path, user: User) -> Path:
    """Replaces what is at `path` by a fresh token of `user`."""
    return write_text(path, token(user))


def write_text(path: Path, text: str) -> Path:
    new = path.with_suffix(".new")
    new.touch(mode=0o600)
    new.write_text(text)
    return new.rename(path)


def use(place: Place, **identity: object) -> None:
    """Gives `data` another identity than the broker's."""
    place.tables["identities"]["other"] = identity
    place.tables["profiles"] = {"data": place.sound_profile(identity="other")}
    place.configure()


def key(outcome: Outcome) -> str:
    assert outcome.served, outcome
    assert outcome.key
    return outcome.key


def run(place: Place, *options: str, env: Mapping[str, str]) -> Outcome:
    done = place.home.run(*options, env=env)
    return Outcome(done.status == 0, done.stdout + done.stderr)


@pytest.mark.parametrize("door", DOORS)
def test_a_file_is_read_again_when_it_changes(place: Place, folder: Path, door: str) -> None:
    """A token of somebody else in it makes other credentials, at once."""
    path = write(folder / "token", ALICE)
    use(place, source="file", path=str(path))
    first = key(place.through(door))
    write(path, ALICE)
    if door in (SHIM, EXEC):
        assert key(place.through(door)) == first
    write(path, BOB)
    theirs = key(place.through(door))
    assert theirs != first
    assert key(place.through(door)) != first


def test_a_file_of_the_environment_is_the_asker_s_own(place: Place, folder: Path) -> None:
    """Whoever names another file gets other credentials; whoever names none is told so."""
    use(place, source="file")
    absent = place.home.run(SHIM)
    assert_refused(absent, 1, "AWS_WEB_IDENTITY_TOKEN_FILE is not set", "set it")
    alice, bob = write(folder / "alice", ALICE), write(folder / "bob", BOB)
    first = key(run(place, SHIM, env={"AWS_WEB_IDENTITY_TOKEN_FILE": str(alice)}))
    second = key(run(place, SHIM, env={"AWS_WEB_IDENTITY_TOKEN_FILE": str(bob)}))
    assert first != second
    third = key(run(place, SHIM, env={"AWS_WEB_IDENTITY_TOKEN_FILE": str(alice)}))
    assert third != second


def test_who_only_looks_changes_nothing(place: Place, folder: Path) -> None:
    """`status` and `prompt` ask for no token, whatever file the asker's environment names."""
    use(place, source="file")
    alice, bob = write(folder / "alice", ALICE), write(folder / "bob", BOB)
    first = key(run(place, SHIM, env={"AWS_WEB_IDENTITY_TOKEN_FILE": str(alice)}))
    for words in (["status"], ["status", "other"], ["status", "-p", "data"], ["prompt"]):
        place.home.succeed("agentkeys", *words, env={"AWS_WEB_IDENTITY_TOKEN_FILE": str(bob)})
    assert run(place, SHIM, env={"AWS_WEB_IDENTITY_TOKEN_FILE": str(alice)}).key == first


def test_a_program_s_token_file_reaches_no_child(place: Place, folder: Path) -> None:
    """What has led to credentials stays with whoever asked for them."""
    use(place, source="file")
    path = write(folder / "alice", ALICE)
    given = {"AWS_WEB_IDENTITY_TOKEN_FILE": str(path), "AGENTKEYS_CLIENT_SECRET_X": "s3cr3t"}
    outcome = run(place, "agentkeys", "exec", "--", "env", env=given)
    assert outcome.served
    assert "AWS_WEB_IDENTITY_TOKEN_FILE" not in outcome.text
    assert "s3cr3t" not in outcome.text


def test_a_command_that_names_somebody_else_is_believed(place: Place, folder: Path) -> None:
    """The one before is served nothing any more; at most one caller is told to ask again."""
    path = write(folder / "token", ALICE)
    use(place, source="command", argv=["cat", str(path)])
    first = key(place.through(SHIM))
    assert key(place.through(EXEC)) == first
    write(path, BOB)
    place.home.succeed("agentkeys", "forget")
    outcomes = [place.through(SHIM) for _ in range(2)]
    assert all(outcome.key != first for outcome in outcomes)
    assert outcomes[1].served


def test_a_command_keeps_its_secrets_to_itself(place: Place, folder: Path) -> None:
    """Its standard error is shown to nobody."""
    script = folder / "leaky"
    script.write_text("#!/bin/sh\necho s3cr3t-s3cr3t >&2\nexit 1\n")
    script.chmod(0o700)
    use(place, source="command", argv=[str(script)])
    done = place.home.run(SHIM)
    assert_refused(done, 1, "status 1", "run it yourself")
    told = done.stderr + json.dumps(place.status())
    told += "".join(log.read_text() for log in place.home.folder.rglob("daemon.jsonl*"))
    told += (place.home.state / "audit" / "ledger.jsonl").read_text()
    assert "s3cr3t" not in told


@pytest.fixture
def github() -> Iterator[FakeGithub]:
    with FakeGithub() as found:
        yield found


def job(github: FakeGithub, sub: str) -> dict[str, str]:
    """The environment of a new job."""
    session = github.start_job(sub)
    return {
        "ACTIONS_ID_TOKEN_REQUEST_URL": session.request_url,
        "ACTIONS_ID_TOKEN_REQUEST_TOKEN": session.request_token.reveal(),
    }


def test_jobs_of_github_are_served_their_own(place: Place, github: FakeGithub) -> None:
    """One after the other on the same daemon; outside of any job there is nothing."""
    use(place, source="github")
    place.tables["profiles"]["data"]["confine"] = "role"
    place.configure()
    absent = place.home.run(SHIM)
    assert absent.status == 1
    assert "id-token: write" in absent.complaint()[1]
    one, two = job(github, EXAMPLE), job(github, "repo:octo/other:ref:refs/heads/main")
    first = key(run(place, SHIM, env=one))
    assert key(run(place, SHIM, env=one)) == first
    assert key(run(place, SHIM, env=two)) != first
    child = run(place, "agentkeys", "exec", "--", "env", env=two)
    assert child.served
    assert "ACTIONS_ID_TOKEN" not in child.text


def test_nothing_inside_a_run_says_who_it_is(place: Place, folder: Path) -> None:
    """A program cannot have the daemon take another token file for everybody."""
    use(place, source="file")
    alice, bob = write(folder / "alice", ALICE), write(folder / "bob", BOB)
    mine = {"AWS_WEB_IDENTITY_TOKEN_FILE": str(alice)}
    first = key(run(place, SHIM, env=mine))
    inside = (
        "import os, subprocess, sys;"
        f"os.environ['AWS_WEB_IDENTITY_TOKEN_FILE'] = {str(bob)!r};"
        "sys.exit(subprocess.run(sys.argv[1:]).returncode)"
    )
    program = [sys.executable, "-I", "-c", inside, str(place.home.program(SHIM))]
    options = ["--keep-env", "AGENTKEYS_SOCKET", "--keep-env", "AGENTKEYS_STATE_DIR"]
    done = run(place, "agentkeys", "exec", *options, "--", *program, env=mine)
    assert done.key in (first, None)
    assert key(run(place, SHIM, env=mine)) == first
    assert run(place, SHIM, env={}).key is None


def test_whoami_names_whom_the_token_names(place: Place, folder: Path) -> None:
    """Also where nobody logs in; `login` says that nobody needs to."""
    path = write(folder / "token", ALICE)
    use(place, source="file", path=str(path))
    person = json.loads(place.home.succeed("agentkeys", "whoami", "other", "--json"))
    assert person["subject"] == f"agentkeys:agent:{ALICE.wallet}"
    assert person["wallet"] is None
    status = json.loads(place.home.succeed("agentkeys", "status", "other", "--json"))
    assert status["identities"][0]["session"] == "not_needed"
    done = place.home.run("agentkeys", "login", "other")
    assert_refused(done, 3, "nobody logs in as other", "agentkeys whoami other")


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("/" + "a/" * 5000, id="a path that is too long"),
        pytest.param("a" * 300, id="a name that is too long"),
    ],
)
def test_an_impossible_path_is_not_the_one_before(place: Place, folder: Path, name: str) -> None:
    """Whoever names a file that nobody can open is told so, and gets nobody's credentials."""
    use(place, source="file")
    alice = write(folder / "alice", ALICE)
    assert key(run(place, SHIM, env={"AWS_WEB_IDENTITY_TOKEN_FILE": str(alice)}))
    done = place.home.run(SHIM, env={"AWS_WEB_IDENTITY_TOKEN_FILE": name})
    assert_refused(done, 1, "cannot be read: File name too long", "check the path")


def test_half_a_job_is_not_the_one_before(place: Place, github: FakeGithub) -> None:
    """A job whose environment holds nothing to ask with gets nobody's credentials."""
    use(place, source="github")
    place.tables["profiles"]["data"]["confine"] = "role"
    place.configure()
    whole = job(github, EXAMPLE)
    assert key(run(place, SHIM, env=whole))
    for name, value in whole.items():
        done = place.home.run(SHIM, env={name: value})
        assert_refused(done, 1, "no job of GitHub Actions", "id-token: write")
    assert key(run(place, SHIM, env=whole))


def test_the_same_name_at_another_issuer_is_somebody_else(place: Place, folder: Path) -> None:
    """Also for who asks again at once, and would get what they were just given."""
    use(place, source="file", path=str(folder / "token"))
    claims = {**web_identity_claims(at=datetime.now(UTC)), "iss": "https://one.example.com"}
    write_text(folder / "token", sign(claims))
    first = key(place.through(SHIM))
    write_text(folder / "token", sign({**claims, "iss": "https://two.example.com"}))
    assert key(place.through(SHIM)) != first


def test_a_login_elsewhere_is_told_of_nobody(place: Place) -> None:
    """Once the identity is at another broker, who is logged in at the old one is not."""
    assert place.status()["identities"][0]["session"] == "live"
    place.tables["identities"]["me"]["url"] = "http://127.0.0.1:9"
    place.configure()
    status = place.status()
    [found] = [each for each in status["identities"] if each["name"] == "me"]
    assert (found["session"], found["subject"], found["wallet"]) == ("none", None, None)
    assert status["profiles"][0]["subject"] is None


def test_what_another_client_handed_over_is_its_own(place: Place, github: FakeGithub) -> None:
    """A job that may have no tokens gets nothing that was made with another job's."""
    use(place, source="github")
    place.tables["profiles"]["data"]["confine"] = "role"
    place.configure()
    assert run(place, SHIM, env=job(github, EXAMPLE)).served
    for door in (SHIM, EXEC):
        outcome = place.through(door)
        assert not outcome.holds_credentials
        assert "this is no job of GitHub Actions" in outcome.text


def test_a_run_is_pinned_to_the_issuer_too(place: Place, folder: Path) -> None:
    """A subject is one user's at its issuer alone; another issuer may have one of the same name."""
    use(place, source="file")
    one, two = folder / "one", folder / "two"
    for path, issuer in ((one, "https://one.example.com"), (two, "https://two.example.com")):
        path.touch(mode=0o600)
        path.write_text(web_identity_jwt(ALICE, at=datetime.now(UTC), issuer=issuer))
    switching = (
        "import os, subprocess, sys, urllib.error, urllib.request\n"
        "asked = urllib.request.Request(os.environ['AWS_CONTAINER_CREDENTIALS_FULL_URI'],"
        " headers={'Authorization': os.environ['AWS_CONTAINER_AUTHORIZATION_TOKEN']})\n"
        "direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))\n"
        "print(direct.open(asked).read().decode(), flush=True)\n"
        "sys.stdin.readline()\n"
        "try:\n    print(direct.open(asked).read().decode())\n"
        "except urllib.error.HTTPError as problem:\n    print(problem.read().decode())\n"
    )
    mine, theirs = ({"AWS_WEB_IDENTITY_TOKEN_FILE": str(path)} for path in (one, two))
    options = ["--refresh", "--", sys.executable, "-I", "-c", switching]
    with place.home.start("agentkeys", "exec", *options, env=mine) as program:
        assert program.stdout
        first = Outcome(True, program.stdout.readline())
        assert first.key
        other = key(run(place, SHIM, env=theirs))
        told, _ = program.communicate("go on\n", timeout=60)
    assert other != first.key
    assert "wrong_identity" in told
    assert not Outcome(True, told).holds_credentials
