"""A run has the credentials of whom it began with, whatever is changed around it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.place import ROLE, Place, assert_keeps_secrets, place_in
from tests.support.programs import Home, new_home
from tests.support.runs import Program, listed, running
from tests.support.tokens import ALICE, BOB

REFRESH = "--refresh"


@pytest.fixture(scope="module")
def home() -> Iterator[Home]:
    with new_home() as found:
        yield found


@pytest.fixture
def place(home: Home) -> Iterator[Place]:
    """ALICE is logged in, at a broker that knows BOB too."""
    home.succeed("agentkeys", "daemon", "start")
    with place_in(home, ALICE, BOB) as found:
        yield found


def served(program: Program) -> tuple[str, str | None]:
    """The keys that the shim and, where it has one, the endpoint give to a program."""
    shim = program.shim()
    assert shim.status == 0, shim
    key = _key(shim.stdout)
    if REFRESH not in program.process.args:  # type: ignore[operator]  # a list
        return key, None
    answer = program.fetch()
    assert answer.status == 200, answer
    return key, answer.json()["AccessKeyId"]


def _key(document: str) -> str:
    return document.partition('"AccessKeyId": "')[2].partition('"')[0]


def refused(program: Program, code: str, words: str) -> None:
    """Neither door gives anything, and both say why."""
    answer = program.fetch()
    assert (answer.status, answer.json()["code"]) == (403, code), answer
    assert words in answer.json()["message"]
    done = program.shim()
    assert (done.status, done.stdout) == (1, ""), done
    assert words in done.complaint()[0]
    for text in (answer.body.decode(), done.stderr):
        assert_keeps_secrets(text)


def change(place: Place, **keys: Any) -> None:
    """The profile `data` is another one from now on."""
    place.tables["profiles"]["data"] = place.sound_profile(**keys)
    place.configure()


# somebody else logs in


def test_somebody_else_s_credentials_are_never_given_to_a_run(place: Place) -> None:
    """Through no door, though they are held; those who ask from outside get them."""
    with running(place.home, REFRESH) as program:
        served(program)
        place.log_in(BOB)
        bobs = place.through("POST runs")
        assert BOB.wallet in bobs.text
        refused(program, "wrong_identity", "is logged in")
        assert place.through("POST runs").key == bobs.key


def test_a_run_with_the_shared_lease_is_not_given_somebody_else_s(place: Place) -> None:
    """Not even though it is the profile's, and held."""
    with running(place.home) as program:
        served(program)
        place.log_in(BOB)
        assert place.through("GET credentials").served
        done = program.shim()
        assert (done.status, done.stdout) == (1, "")
        assert BOB.subject in done.complaint()[0]


def test_a_new_run_in_it_is_nobody_else_s_either(place: Place) -> None:
    """A nested exec is refused as its run is."""
    with running(place.home, REFRESH) as program:
        place.log_in(BOB)
        for options in ([], [REFRESH], ["--read-only", "--allow", "s3://bucket/:ro"]):
            done = program.do("agentkeys", "exec", *options, "--", "env")
            assert (done.status, done.stdout) == (125, ""), done
            assert BOB.subject in done.complaint()[0]
    assert len(place.sts.requests) == 1


def test_after_they_are_back_the_run_goes_on(place: Place) -> None:
    """With new credentials: what was held went with them."""
    with running(place.home, REFRESH) as program:
        first = served(program)
        place.log_in(BOB)
        refused(program, "wrong_identity", "is logged in")
        place.log_in(ALICE)
        again = served(program)
        assert not {*first} & {*again}
        subject = listed(place.home)[program.id]["subject"]
        assert ALICE.wallet in subject


def test_logged_out_it_gets_nothing_and_is_told_what_to_do(place: Place) -> None:
    """The endpoint says what a person would be told."""
    with running(place.home, REFRESH) as program:
        place.log_out()
        answer = program.fetch()
        assert (answer.status, answer.json()["code"]) == (403, "login_required")
        assert "agentkeys login me" in answer.json()["message"]


# the profile changes


def test_a_profile_that_becomes_somebody_else_s_leaves_the_run_without(place: Place) -> None:
    """Neither the one it was begun for nor the other is served to it."""
    bobs = f"agentkeys:agent:{BOB.wallet}"
    with running(place.home, REFRESH) as program:
        change(place, expect_subject=bobs)
        refused(program, "wrong_identity", f"the profile data is for {bobs}")
        place.log_in(BOB)
        assert place.through("POST runs").served
        refused(program, "wrong_identity", f"the profile data is for {bobs}")


def test_a_profile_that_is_gone_leaves_the_run_without(place: Place) -> None:
    """It has been taken away, by whoever may write the configuration."""
    with running(place.home, REFRESH) as program:
        served(program)
        place.tables["profiles"]["other"] = place.tables["profiles"].pop("data")
        place.configure()
        answer = program.fetch()
        assert (answer.status, answer.json()["code"]) == (403, "unknown_profile")
        assert program.id in listed(place.home)


@pytest.mark.parametrize("text", ["[profiles.data", "colour = 1\n"], ids=["torn", "wrong"])
def test_while_nobody_can_read_the_configuration_the_run_goes_on(place: Place, text: str) -> None:
    """An editor that is about to save ends no job."""
    with running(place.home, REFRESH) as program:
        keys = served(program)
        place.home.configure(text)
        answer = program.fetch()
        assert (answer.status, answer.json()["AccessKeyId"]) == (200, keys[1]), answer
        place.configure()
        assert served(program) == keys


def test_a_profile_that_allows_less_counts_at_once(place: Place) -> None:
    """The next credentials of a run that lives are made with it."""
    with running(place.home, REFRESH) as program:
        before = served(program)
        assert "Policy" not in place.sts.requests[-1].form
        change(place, allow=["s3://bucket/data/:ro"])
        after = served(program)
        assert not {*before} & {*after}
        policy = place.sts.requests[-1].form["Policy"]
        assert "s3:GetObject" in policy
        assert "s3:PutObject" not in policy


@pytest.mark.parametrize(
    "later",
    [
        {},
        {"allow": ["s3://bucket/:rw"]},
        {"allow": ["s3://bucket/data/:rw", "s3://other/:rw"]},
    ],
    ids=["anything", "the bucket", "more"],
)
@pytest.mark.parametrize("options", [[], ["--allow", "s3://bucket/data/:ro"]])
def test_a_profile_that_allows_more_gives_a_run_no_more(
    place: Place, options: list[str], later: dict[str, Any]
) -> None:
    """It was begun with what was allowed then; the next one has it all."""
    change(place, allow=["s3://bucket/data/:ro"])
    with running(place.home, REFRESH, *options) as program:
        before = served(program)
        change(place, **later)
        # What is held is still the right one.
        assert served(program) == before
        place.home.succeed("agentkeys", "forget")
        after = served(program)
        assert not {*before} & {*after}
    first, second = (request.form["Policy"] for request in place.sts.requests)
    assert first == second
    place.home.succeed("agentkeys", "exec", REFRESH, "--", "true")
    assert place.sts.requests[-1].form.get("Policy") != first


def test_a_run_in_a_run_is_held_to_what_that_one_began_with(place: Place) -> None:
    """The profile may allow more by now."""
    change(place, allow=["s3://bucket/data/:ro"])
    with running(place.home) as program:
        change(place)
        done = program.do("agentkeys", "exec", "--allow", "s3://bucket/data/:rw", "--", "env")
        assert (done.status, done.stdout) == (125, ""), done
        assert "s3://bucket/data/:rw lies outside" in done.complaint()[0]
        assert program.do("agentkeys", "exec", REFRESH, "--", "true").status == 0
    first, second = (request.form["Policy"] for request in place.sts.requests)
    assert first == second


def test_where_a_profile_allows_something_else_the_run_gets_nothing(place: Place) -> None:
    """Neither what it had nor what is allowed now; what they share counts at once."""
    change(place, allow=["s3://bucket/data/:rw"])
    with running(place.home, REFRESH) as program:
        served(program)
        change(place, allow=["s3://bucket/other/:rw"])
        refused(program, "scope_refused", "allows something else")
        change(place, policy='{"Statement": [{"Effect": "Allow"}]}')
        refused(program, "scope_refused", "allows something else")
        change(place, allow=["s3://bucket/:ro", "s3://bucket/other/:rw"])
        served(program)
    policy = place.sts.requests[-1].form["Policy"]
    assert "bucket/data/*" in policy
    assert "s3:PutObject" not in policy
    assert "bucket/other" not in policy


def test_a_run_that_lies_outside_of_what_is_allowed_now_gets_nothing(place: Place) -> None:
    """Rather than what it was once given."""
    with running(place.home, REFRESH, "--allow", "s3://bucket/data/:rw") as program:
        served(program)
        change(place, allow=["s3://bucket/other/:rw"])
        refused(program, "scope_refused", "allows something else")
        change(place, allow=["s3://bucket/:rw"])
        served(program)


def test_another_role_is_another_lease(place: Place) -> None:
    """The run follows its profile."""
    with running(place.home, REFRESH) as program:
        change(place, role_arn=f"{ROLE}-other")
        served(program)
        assert place.sts.requests[-1].form["RoleArn"] == f"{ROLE}-other"
