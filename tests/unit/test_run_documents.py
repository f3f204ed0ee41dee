"""A run as JSON comes back as it was, or not at all."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentkeys.access_rules import parse_access_rule
from agentkeys.processes import ProcessId
from agentkeys.scopes import WHOLE, Scope
from agentkeys_daemon.runs.documents import parse_run, run_document
from agentkeys_daemon.runs.run import Run
from tests.support.rule_strategies import access_rules
from tests.support.tokens import ALICE, ISSUER

RUN = Run(
    id="abcdefghij234567",
    profile="data",
    identity="me",
    issuer=ISSUER,
    subject=ALICE.subject,
    process=ProcessId(4711, "123456"),
    program="rclone",
    started_at=datetime(2026, 3, 1, 12, 30, 15, tzinfo=UTC),
    allow=(parse_access_rule("s3://lab/a/:ro"),),
    reads_only=True,
    scope=Scope(rules=(parse_access_rule("s3://lab/a/:ro"),)),
    lease_run="abcdefghij234567",
    outer=("zyxwvutsrq765432",),
    fetches=True,
    mints=True,
    token_hash="0" * 64,
)
TEXTS = st.text(max_size=5)
SCOPES = st.one_of(
    st.just(WHOLE),
    st.builds(Scope, rules=st.lists(access_rules(), min_size=1, max_size=3).map(tuple)),
    st.builds(Scope, reading=st.tuples(TEXTS, TEXTS)),
    st.builds(Scope, policy=TEXTS),
    st.builds(Scope, policy_arns=st.lists(TEXTS, min_size=1, max_size=2).map(tuple)),
)
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)


def again(run: Run) -> Run | None:
    return parse_run(json.loads(json.dumps(run_document(run))))


@given(SCOPES, st.lists(access_rules(), max_size=3).map(tuple), st.booleans())
def test_a_run_comes_back_as_it_was(scope: Scope, allow: tuple[Any, ...], switch: bool) -> None:
    """With what it began with, above all."""
    run = replace(RUN, scope=scope, allow=allow, reads_only=switch, is_forgotten=not switch)
    assert again(run) == run
    bare = replace(
        run, program=None, lease_run=None, outer=(), fetches=False, mints=False, token_hash=None
    )
    assert again(bare) == bare


@given(st.sampled_from(sorted(run_document(RUN))), ANYTHING)
def test_whatever_stands_there_is_a_run_or_none(key: str, value: Any) -> None:
    """Never an error, and nothing but texts where texts belong."""
    run = parse_run(run_document(RUN) | {key: value})
    if run is None:
        return
    texts = (run.id, run.profile, run.identity, run.subject, run.process.started, *run.outer)
    assert all(isinstance(text, str) for text in texts)
    for maybe in (run.program, run.lease_run, run.token_hash):
        assert maybe is None or isinstance(maybe, str)
    assert json.dumps(run_document(run))


@given(st.sampled_from(["rules", "reading", "policy", "policy_arns"]), ANYTHING)
def test_a_scope_that_cannot_be_read_is_never_no_limit(key: str, value: Any) -> None:
    """One that was narrow comes back narrow, or the run does not."""
    document = run_document(RUN)
    run = parse_run(document | {"scope": document["scope"] | {key: value}})
    if run is not None and key != "rules":
        assert run.scope.rules == RUN.scope.rules


@pytest.mark.parametrize("key", sorted(run_document(RUN)))
def test_without_any_of_its_parts_it_is_none(key: str) -> None:
    """Nobody could be served by a guess."""
    document = run_document(RUN)
    del document[key]
    assert parse_run(document) is None


def test_its_program_can_be_shown() -> None:
    """Also one that was written there by somebody else."""
    run = parse_run(run_document(RUN) | {"program": "\x1b[31mred\n"})
    assert run
    assert run.program == "?[31mred?"


@pytest.mark.parametrize("key", ["reads_only", "is_forgotten"])
@pytest.mark.parametrize("value", [None, 0, "", "false", []])
def test_a_switch_that_cannot_be_read_takes_away(key: str, value: object) -> None:
    """Rather than to give."""
    run = parse_run(run_document(replace(RUN, reads_only=False)) | {key: value})
    assert run
    assert getattr(run, key) is True


@pytest.mark.parametrize("key", ["fetches", "mints"])
@pytest.mark.parametrize("value", [None, 0, 1, "", "true", []])
def test_a_door_that_cannot_be_read_stays_shut(key: str, value: object) -> None:
    """Nobody could be served by a guess here either."""
    run = parse_run(run_document(RUN) | {key: value})
    assert run
    assert getattr(run, key) is False


@pytest.mark.parametrize(
    ("fetches", "mints", "door"),
    [
        (False, False, "environment"),
        (True, False, "endpoint"),
        (False, True, "legacy-mint"),
        (True, True, "endpoint+legacy-mint"),
    ],
)
def test_its_doors_have_names(fetches: bool, mints: bool, door: str) -> None:
    """Which stay so when its credentials have been taken away."""
    run = replace(RUN, fetches=fetches, mints=mints)
    assert run.door == replace(run, token_hash=None, is_forgotten=True).door == door
