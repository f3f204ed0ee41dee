"""The daemon's part of the doctor, as its socket gives it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agentkeys.doctor import STEPS, Finding, parse_finding
from agentkeys.protocol import TOKEN_FILE_HEADER
from tests.fakes.broker import FakeBroker
from tests.fakes.store import FakeStore
from tests.support.doctoring import public_key, verdict
from tests.support.place import Place, assert_keeps_secrets
from tests.support.programs import Home
from tests.support.raw_http import ask
from tests.support.tokens import ALICE, BOB, sign


@pytest.fixture
def place(home: Home) -> Iterator[Place]:
    """ALICE is logged in, the store has an S3, and the ledger has no other line than that."""
    shutil.rmtree(home.state / "audit", ignore_errors=True)
    with FakeBroker(ALICE, BOB) as broker, FakeStore("seaweedfs") as store:
        broker.answer_with("/.well-known/jwks.json", 200, {"keys": [public_key()]}, times=9)
        found = Place(home, broker, store)
        found.tables["profiles"]["data"] |= {"bucket": "agentkeys"}
        found.configure()
        found.log_in()
        yield found


def diagnose(place: Place, profile: str = "data", **headers: str) -> dict[str, Finding]:
    answer = ask(place.home, "POST", f"/v1/profiles/{profile}/diagnosis", headers=headers)
    assert answer.status == 200, answer
    assert_keeps_secrets(answer.body.decode(), place.sessions)
    document: Any = answer.json()
    assert (document["version"], document["profile"]) == (1, profile)
    findings = [parse_finding(each) for each in document["findings"]]
    assert [finding.step for finding in findings] == list(STEPS[4:])
    return {finding.step: finding for finding in findings}


def mints(place: Place) -> list[Any]:
    text = (place.home.state / "audit" / "ledger.jsonl").read_text(encoding="utf-8")
    return [line for line in map(json.loads, text.splitlines()) if line["event"] == "mint"]


def test_a_sound_profile_is_well_from_the_keyring_to_the_proof(place: Place) -> None:
    """But for a keyring, which no test may have."""
    found = diagnose(place)
    wrong = {step: verdict(each) for step, each in found.items() if each.code}
    assert wrong.pop("keyring") == ("warning", "vault_in_memory")
    assert not [code for step, (_, code) in wrong.items() if step not in ("memory", "ledger")]
    assert found["isolation"].facts["own_prefix"] == f"bots/{ALICE.wallet}/"


def test_its_mint_is_on_record_and_nobodys_lease(place: Place) -> None:
    """What it has minted is served to nobody."""
    diagnose(place)
    [line] = mints(place)
    assert (line["outcome"], line["profile"], line["run_id"]) == ("ok", "data", None)
    [profile] = place.status()["profiles"]
    assert (profile["state"], profile["key_ending"]) == ("none", None)


def test_its_refusal_is_on_record_and_nobodys_trouble(place: Place) -> None:
    """It is no reason to keep programs waiting."""
    place.sts.refuse_with(403, "AccessDenied", "role not found: data")
    assert verdict(diagnose(place)["role"]) == ("failed", "role_unknown")
    [line] = mints(place)
    assert (line["outcome"], line["error_code"]) == ("sts_error", "sts_refused")
    [profile] = place.status()["profiles"]
    assert profile["last_error"] is None
    assert place.through("GET credentials").served


def test_a_second_identity_that_is_logged_in_is_the_foreigner(place: Place) -> None:
    """Its very prefix is shown to be closed."""
    place.tables["identities"]["you"] = {"source": "broker", "url": place.broker.url}
    place.start_over()
    place.log_in(BOB, identity="you")
    assert isinstance(place.sts, FakeStore)
    place.sts.lists = lambda prefix: ALICE.wallet in prefix
    found = diagnose(place)["isolation"]
    assert verdict(found) == ("ok", None)
    assert found.facts["foreign_prefix"] == f"bots/{BOB.wallet}/"
    assert found.facts["foreign_is_real"] is True


def test_nobody_is_logged_in(place: Place) -> None:
    place.log_out()
    found = diagnose(place)
    assert verdict(found["session"]) == ("failed", "login_required")
    assert verdict(found["server"]) == verdict(found["store"]) == ("ok", None)


def test_what_a_client_hands_over_counts_for_it_alone(place: Place, tmp_path: Path) -> None:
    """A client without it is told that it has nothing, whatever another one has."""
    place.tables["identities"]["job"] = {"source": "file"}
    place.tables["profiles"]["job"] = place.sound_profile(identity="job")
    place.start_over()
    token = tmp_path / "token"
    token.touch(0o600)
    token.write_text(sign(place.broker.web_identity_claims()))
    with_it = diagnose(place, "job", **{TOKEN_FILE_HEADER: str(token)})
    assert verdict(with_it["role"]) == ("ok", None), with_it["token"]
    assert verdict(with_it["discovery"]) == ("ok", None)
    without = diagnose(place, "job")
    assert verdict(without["token"]) == ("failed", "source_absent")
    assert verdict(without["role"]) == ("skipped", None)
    assert verdict(without["store"]) == ("ok", None)


@pytest.mark.parametrize("name", ["nosuch", "%2F"])
def test_a_profile_that_is_not_there_is_an_error(place: Place, name: str) -> None:
    answer = ask(place.home, "POST", f"/v1/profiles/{name}/diagnosis")
    assert answer.json()["error"]["code"] == "unknown_profile"
