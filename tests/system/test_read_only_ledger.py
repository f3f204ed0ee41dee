"""A ledger that its own user cannot write; root, who may write everywhere, would not notice."""

from __future__ import annotations

import json
from typing import Any

from tests.system.person import SHIM, Person


def test_a_read_only_folder_stops_nobody_and_is_told(somebody: Person) -> None:
    """What could not be written is written once that is possible again, and the chain is whole."""
    folder = f"{somebody.environment['AGENTKEYS_STATE_DIR']}/audit"
    first = refusal(somebody)
    somebody.succeed("chmod", "0400", f"{folder}/ledger.jsonl")
    somebody.succeed("chmod", "0500", folder)
    assert refusal(somebody) == first
    assert daemon(somebody)["ledger_error"]["code"] == "audit_error"
    assert "permission denied" in daemon(somebody)["ledger_error"]["message"].lower()
    assert len(records(somebody)) == 1

    somebody.succeed("chmod", "0700", folder)
    somebody.succeed("chmod", "0600", f"{folder}/ledger.jsonl")
    assert refusal(somebody) == first
    assert daemon(somebody)["ledger_error"] is None
    assert [record["event"] for record in records(somebody)] == ["refuse"] * 3
    assert somebody.succeed("agentkeys", "audit", "verify").startswith("sound: 3 records")


def refusal(somebody: Person) -> str:
    """What a program hears that asks for a profile which is not there."""
    done = somebody.run(SHIM, "--profile", "nobody")
    assert done.status == 1
    return done.stderr


def daemon(somebody: Person) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(somebody.succeed("agentkeys", "status", "--json"))["daemon"]
    return found


def records(somebody: Person) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(somebody.succeed("agentkeys", "audit", "--json"))[
        "records"
    ]
    return found
