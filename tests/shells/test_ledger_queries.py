"""What docs/ledger.md says to type does what it says."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.support.ledgers import sample_document, seal_all
from tests.support.programs import Finished, Home
from tests.support.shells import require

PAGE = (Path(__file__).parents[2] / "docs" / "ledger.md").read_text(encoding="utf-8")
QUERIES, ARCHIVING = re.findall(r"^```sh\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
PROGRAMS, OWNER, REFUSED, DIGEST = QUERIES.strip().split("\n\n")


@pytest.fixture
def written_home(home: Home) -> Home:
    """With a ledger of some serves of today, and three refusals."""
    ledger = home.state / "audit" / "ledger.jsonl"
    ledger.parent.mkdir(mode=0o700, parents=True)
    refusal = {"event": "refuse", "outcome": "error", "access_key_id": None}
    documents = [sample_document(number, time="2999-01-01T00:00:00Z") for number in (41, 42, 43)]
    documents.append(sample_document(1, event="run_start", exe="/usr/bin/rclone"))
    documents += [sample_document(50, **refusal, error_code="login_required")] * 2
    documents.append(sample_document(51, **refusal, error_code="vault_locked"))
    ledger.write_bytes(b"".join(seal_all(documents)[0]))
    return home


def typed(home: Home, script: str) -> Finished:
    require("jq")
    done = home.run("bash", "-euo", "pipefail", "-c", script)
    assert (done.status, done.stderr) == (0, ""), done
    return done


def test_which_programs_have_had_credentials(written_home: Home) -> None:
    """Since a day."""
    shown = typed(written_home, PROGRAMS).stdout
    assert shown.split() == ["3", "/home/someone/.venv/bin/python3.11"]


def test_whose_a_key_was(written_home: Home) -> None:
    """By the id that the store's log has."""
    found = json.loads(typed(written_home, OWNER).stdout)
    assert (found["profile"], found["pid"]) == ("data", 4042)


def test_what_was_refused(written_home: Home) -> None:
    """How often, by reason."""
    shown = typed(written_home, REFUSED).stdout
    assert shown.splitlines() == ["2 login_required", "1 vault_locked"]


def test_a_digest_can_be_computed_by_hand(written_home: Home) -> None:
    """Without anything of ours."""
    first = (written_home.state / "audit" / "ledger.jsonl").read_text().splitlines()[0]
    assert typed(written_home, DIGEST).stdout.strip() == json.loads(first)["chain"]


def test_full_files_can_be_moved_away(home: Home) -> None:
    """What is left is as sound as before, and so is the archive."""
    home.succeed("agentkeys", "daemon", "start")
    full = home.state / "audit" / "ledger-000000000001.jsonl"
    full.parent.mkdir(mode=0o700, exist_ok=True)
    full.write_bytes(b"".join(seal_all(map(sample_document, range(5)))[0]))
    archive = home.folder / "archive"
    archive.mkdir()
    done = home.run("bash", "-c", ARCHIVING.replace("/srv/archive", str(archive)))
    assert (done.status, done.stderr) == (0, ""), done
    assert not full.exists()
    home.succeed("agentkeys", "audit", "verify", archive / full.name)
