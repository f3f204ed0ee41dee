"""`exec --allow` and `--read-only`: a program that can do no more, proven on a real store."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator

import pytest

from tests.support.place import Place, place_in
from tests.support.programs import Finished, Home
from tests.support.runs import Program, listed, running
from tests.support.tokens import ALICE

DENIED = "AccessDenied"

# Each argument is an action and a key below the program's own prefix, or after a slash in the
# bucket; prints what came of each.
_TRY = """\
import os, sys
import boto3
from botocore.exceptions import ClientError
s3, bucket = boto3.client("s3"), os.environ["AGENTKEYS_S3_BUCKET"]
for word in sys.argv[1:]:
    action, _, key = word.partition(":")
    key = key[1:] if key.startswith("/") else os.environ["AGENTKEYS_S3_PREFIX"] + key
    try:
        if action == "put":
            s3.put_object(Bucket=bucket, Key=key, Body=b"x")
        elif action == "get":
            s3.get_object(Bucket=bucket, Key=key)
        elif action == "delete":
            s3.delete_object(Bucket=bucket, Key=key)
        else:
            s3.list_objects_v2(Bucket=bucket, Prefix=key)
        print("done")
    except ClientError as problem:
        print(problem.response["Error"]["Code"])
"""


@pytest.fixture
def place(warm_home: Home) -> Iterator[Place]:
    """ALICE is logged in; the profile has no bucket."""
    warm_home.succeed("agentkeys", "daemon", "start")
    with place_in(warm_home) as found:
        yield found


@pytest.fixture(scope="module")
def prefix(sandbox_home: Home) -> str:
    """The sandbox user's own, in which there is something."""
    assert attempts(sandbox_home, [], "put:data/a", "put:other/b") == ["done", "done"]
    script = 'printf %s "$AGENTKEYS_S3_PREFIX"'
    return sandbox_home.succeed("agentkeys", "exec", "--", "sh", "-c", script)


def attempts(home: Home, options: list[str], *words: str) -> list[str]:
    """What a program under `exec` with `options` can do."""
    argv = ["agentkeys", "exec", *options, "--", sys.executable, "-c", _TRY]
    return home.succeed(*argv, *words).split()


@pytest.mark.parametrize("options", [[], ["--refresh"]], ids=" ".join)
def test_who_may_read_cannot_write(sandbox_home: Home, prefix: str, options: list[str]) -> None:
    """Nor read or list what is beside."""
    rule = ["--allow", f"s3://agentkeys/{prefix}data/:ro"]
    words = ("get:data/a", "list:data/", "put:data/a", "delete:data/a", "get:other/b", "list:")
    assert attempts(sandbox_home, [*options, *rule], *words) == ["done"] * 2 + [DENIED] * 4


def test_who_may_write_cannot_do_so_elsewhere(sandbox_home: Home, prefix: str) -> None:
    """Several rules add up."""
    options = ["--allow", f"s3://agentkeys/{prefix}data/:rw"]
    options += ["--allow", f"s3://agentkeys/{prefix}other/b:ro"]
    words = ("put:data/new", "delete:data/new", "get:other/b", "put:other/b", "put:data2/x")
    assert attempts(sandbox_home, options, *words) == ["done"] * 3 + [DENIED] * 2


def test_to_read_alone_is_to_read_what_is_the_user_s(sandbox_home: Home, prefix: str) -> None:
    """Without a rule."""
    words = ("get:data/a", "list:", "put:data/a", "delete:data/a", "list:/bots/")
    assert attempts(sandbox_home, ["--read-only"], *words) == ["done"] * 2 + [DENIED] * 3


def test_rules_give_nothing_that_the_role_does_not(sandbox_home: Home, prefix: str) -> None:
    """The whole bucket to write is still the user's own part of it."""
    options = ["--allow", "s3://agentkeys/:rw"]
    words = ("put:data/a", "put:/bots/0xsomebody/a", "get:/bots/0xsomebody/a")
    assert attempts(sandbox_home, options, *words) == ["done", DENIED, DENIED]


def test_a_run_in_a_run_is_as_narrow(sandbox_home: Home, prefix: str) -> None:
    """On the store too."""
    keep = ["--keep-env", "AGENTKEYS_SOCKET"]
    rule = ["--allow", f"s3://agentkeys/{prefix}data/:ro"]
    inner = [str(sandbox_home.program("agentkeys")), "exec", "--"]
    argv = ["agentkeys", "exec", *keep, *rule, "--", *inner, sys.executable, "-c", _TRY]
    assert sandbox_home.succeed(*argv, "get:data/a", "put:data/a").split() == ["done", DENIED]


# refused rather than widened


def refused(home: Home, *options: str) -> Finished:
    done = home.run("agentkeys", "exec", *options, "--", "touch", "ran")
    assert (done.status, done.stdout) == (125, ""), done
    assert not (home.work / "ran").exists()
    assert listed(home) == {}
    return done


@pytest.mark.parametrize(
    "code", ["PackedPolicyTooLarge", "MalformedPolicyDocument", "AccessDenied"]
)
def test_what_the_store_does_not_take_is_not_tried_without(place: Place, code: str) -> None:
    """The program does not run with more than it was to have."""
    place.sts.refuse_with(400, code)
    refused(place.home, "--allow", "s3://bucket/data/:ro").complaint()
    (request,) = place.sts.requests
    assert request.form["Policy"]


def test_the_policy_is_what_the_rules_say(place: Place) -> None:
    """In the request, and by its hash in the ledger."""
    options = ["--allow", "s3://bucket/data/:ro"]
    place.home.succeed("agentkeys", "exec", *options, "--", "true")
    policy = json.loads(place.sts.requests[-1].form["Policy"])
    assert policy["Statement"][0]["Effect"] == "Allow"
    assert "arn:aws:s3:::bucket/data/*" in json.dumps(policy)
    assert "PolicyArns.member.1.arn" not in place.sts.requests[-1].form


def test_without_a_bucket_there_is_nothing_to_read(place: Place) -> None:
    """The profile would have to say which."""
    error, hint = refused(place.home, "--read-only").complaint()
    assert error == "the profile data names no bucket to read from"
    assert hint == "set bucket in the profile, or say what may be read with --allow"
    assert place.sts.requests == []


def test_beside_a_policy_no_rule_can_be_kept(place: Place) -> None:
    """Nobody can tell whether it lies within."""
    place.tables["profiles"]["data"]["policy"] = '{"Statement": [{"Effect": "Allow"}]}'
    place.configure()
    for options in (["--allow", "s3://bucket/:ro"], ["--read-only"]):
        error, _ = refused(place.home, *options).complaint()
        assert "has a policy of its own" in error
    assert place.sts.requests == []


def test_a_rule_outside_of_the_profile_s_is_named(place: Place) -> None:
    """With what would be inside."""
    place.tables["profiles"]["data"]["allow"] = ["s3://bucket/data/:ro"]
    place.configure()
    error, hint = refused(place.home, "--allow", "s3://bucket/data/:rw").complaint()
    assert error == "s3://bucket/data/:rw lies outside of what the profile data allows"
    assert hint == "stay within s3://bucket/data/:ro"
    place.home.succeed("agentkeys", "exec", "--allow", "s3://bucket/data/a:ro", "--", "true")
    assert len(place.sts.requests) == 1


def test_nobody_is_asked_to_log_in_from_inside(place: Place) -> None:
    """Not at a terminal either, and no mail is sent."""
    script = "echo ready; read go; agentkeys exec -- true; echo ended with $?"
    argv = ["agentkeys", "exec", "--keep-env", "AGENTKEYS_SOCKET", "--", "sh", "-c", script]
    with place.home.at_terminal(*argv) as terminal:
        terminal.expect("ready")
        place.log_out()
        asked = len(place.broker.requests)
        terminal.type("go\n")
        seen = terminal.expect("ended with 125")
        assert "log in as me now?" not in seen
        assert "a program inside a run cannot ask for this" in seen
        assert len(place.broker.requests) == asked


def test_each_program_has_its_own(place: Place) -> None:
    """Two with the same rules do not share a lease: each ends with its program."""
    options = ["--allow", "s3://bucket/data/:ro"]
    with running(place.home, *options) as first, running(place.home, *options) as second:
        keys = {_key(first), _key(second)}
        assert len(keys) == 2
        names = [request.form["RoleSessionName"] for request in place.sts.requests]
        assert names == [f"agentkeys-{ALICE.wallet[:24]}-{run.id}" for run in (first, second)]


def _key(program: Program) -> str:
    return program.variables["AWS_ACCESS_KEY_ID"]
