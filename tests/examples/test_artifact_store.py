"""examples/artifact-store: one client that lives through several leases."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.examples.examples import copy_example
from tests.support.programs import Home, new_home
from tests.support.python_environments import AIOBOTO3, python_with
from tests.support.sandbox import running_sandbox

LEASE = timedelta(seconds=8)
"""The longest that the store gives."""
PATIENCE = 180.0

# Uses the backend until it has come to a third lease, and says what it saw.
STORE = Path(__file__).parent / "programs" / "artifact_store.py"


@pytest.fixture(scope="module")
def life() -> Iterator[dict[str, Any]]:
    """What a store says of its life."""
    python = python_with(AIOBOTO3)
    with new_home() as home:
        home.state.mkdir(mode=0o700)
        folder = home.state / "sandbox"
        folder.mkdir(mode=0o700)
        copy_example("artifact-store", home.work)
        with running_sandbox(folder, users=1, max_session=LEASE):
            # A call that fails is not tried again.
            once = {"AWS_MAX_ATTEMPTS": "1"}
            done = home.run(
                python, "-B", "-W", "error", STORE, home.work, env=once, patience=PATIENCE
            )
        assert (done.status, done.stderr) == (0, ""), done
        yield json.loads(done.stdout)


def test_one_client_lives_through_two_changes(life: dict[str, Any]) -> None:
    """Every call was made by it, and none has failed."""
    assert len(set(life["keys"])) >= 3
    assert life["failed"] == 0
    assert life["calls"] >= 20


def test_an_upload_begins_with_one_key_and_ends_with_another(life: dict[str, Any]) -> None:
    """Its parts were signed with different ones, and the store put them together."""
    assert len(set(life["upload_keys"])) >= 2


def test_what_was_put_is_what_is_got(life: dict[str, Any]) -> None:
    """Whole, in ranges, and in a listing."""
    assert life["differences"] == []


def test_nobody_logged_in_is_told_what_to_do(home: Home) -> None:
    """A store does not start without credentials, and its log has the reason."""
    python = python_with(AIOBOTO3)
    home.configure(
        '[identities.me]\nsource = "broker"\nurl = "http://127.0.0.1:9"\n'
        '[profiles.data]\nidentity = "me"\nrole_arn = "arn:aws:iam::111122223333:role/data"\n'
        'bucket = "agentkeys"\n'
    )
    copy_example("artifact-store", home.work)
    done = home.run(python, "-B", STORE, home.work)
    assert done.status == 1
    assert "LoginRequired" in done.stderr or "nobody is logged in" in done.stderr, done
