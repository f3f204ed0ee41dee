"""A running daemon keeps what is used fresh, and is quiet while things are broken."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

from agentkeys_shell.sandbox.processes import wait_until
from tests.fakes.broker import MINT, FakeBroker
from tests.fakes.sts import FakeSts
from tests.support.place import ROLE, Place
from tests.support.programs import Home
from tests.support.tokens import ALICE

PATIENCE = 60.0


def failed_mints(place: Place) -> list[str]:
    """The codes of the mints that failed, from the ledger."""
    ledger = (place.home.state / "audit" / "ledger.jsonl").read_text(encoding="utf-8")
    rows = [json.loads(line) for line in ledger.splitlines()]
    return [row["error_code"] for row in rows if row["event"] == "mint" and row["error_code"]]


def profile(place: Place) -> dict[str, Any]:
    """How the daemon says that the one profile stands."""
    found: dict[str, Any] = place.status()["profiles"][0]
    return found


def test_what_is_used_is_renewed_without_anybody_asking(home: Home) -> None:
    """Again and again while the last credentials handed out are good; then it is let go."""
    with FakeBroker(ALICE) as broker, FakeSts("aws", longest=timedelta(seconds=8)) as sts:
        place = Place(home, broker, sts)
        place.configure()
        place.log_in()
        assert place.through("GET credentials").served
        assert wait_until(lambda: len(sts.requests) >= 2, seconds=PATIENCE)
        assert wait_until(lambda: not profile(place)["refresh_at"], seconds=PATIENCE)
        assert wait_until(lambda: profile(place)["state"] == "over", seconds=PATIENCE)
        # Eight seconds of use, and up to eight more that its last lease lives.
        assert len(sts.requests) <= 12


def test_a_broken_broker_is_asked_once_by_a_hundred_programs(place: Place) -> None:
    """They all hear the same; a login ends it at once."""
    place.broker.answer_with(MINT, 403, {"error": "forbidden", "message": "not yet"})
    heard = {place.through("GET credentials").text for _ in range(100)}
    assert len(heard) == 1
    assert place.broker.mints == 1
    assert failed_mints(place)[-1:] == ["broker_refused"]
    place.log_in()
    assert place.through("GET credentials").served


def test_another_configuration_ends_it_too(place: Place) -> None:
    """Whatever was changed may be what was wrong."""
    place.sts.refuse_with(403, "AccessDenied")
    assert not place.through("GET credentials").served
    assert not place.through("GET credentials").served
    place.tables["profiles"]["data"] = place.sound_profile(bucket="another")
    place.configure()
    assert place.through("GET credentials").served
    assert len(place.sts.requests) == 2


def test_a_session_that_the_broker_refuses_is_not_tried_again(place: Place) -> None:
    """What is valid is served all the same; a profile that has nothing asks for a login."""
    warm = place.through("GET credentials")
    place.broker.end_session(place.sessions[-1])
    other = place.sound_profile(role_arn=f"{ROLE}-2")
    place.tables["profiles"]["cold"] = other
    place.configure()
    for _ in range(20):
        assert "login_required" in place.through("GET credentials", "cold").text
        assert place.through("GET credentials").key == warm.key
    assert place.broker.mints == 2
    assert place.status()["identities"][0]["session"] == "refused"
    place.log_in()
    assert place.through("GET credentials", "cold").served


def test_a_busy_broker_is_left_alone_as_long_as_it_wishes(place: Place) -> None:
    """Whatever stands before it says when to come back."""
    place.broker.answer_with(MINT, 429, b"busy", {"Retry-After": "50"}, times=10)
    for _ in range(5):
        assert "broker_unreachable" in place.through("GET credentials").text
    assert place.broker.mints == 1
