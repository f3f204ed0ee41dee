"""No secret is anywhere that it is not meant to be, with a real broker and a real store."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from agentkeys.sandbox_record import load_sandbox_record
from tests.support.dev_broker import BrokerClient
from tests.support.marks import Marks, files_below
from tests.support.place import SHIM
from tests.support.process_watch import ProcessWatch, Sight
from tests.support.programs import Finished, Home, new_home

PATIENCE = 180.0
_JWT = re.compile(rb"eyJ[A-Za-z0-9_-]{8}")

COMMANDS = (
    ("whoami",), ("status",), ("profiles",), ("runs",), ("stores",), ("stores", "explain", "aws"),
    ("wait", "--min-ttl", "1m", "--timeout", "20s"), ("doctor",), ("audit",), ("audit", "verify"),
    ("daemon", "status"), ("daemon", "restart"), ("daemon", "logs"), ("forget",), ("logout",),
)  # fmt: skip


@pytest.fixture
def home() -> Iterator[Home]:
    with new_home() as found:
        found.environment["AGENTKEYS_LOG"] = "debug"
        (found.folder / "tmp").mkdir(mode=0o700)
        found.environment["TMPDIR"] = str(found.folder / "tmp")
        yield found


def test_the_whole_job_leaks_nothing(home: Home) -> None:
    """Sessions and tokens would be known by their form, credentials and passwords are known."""
    marks, told = Marks(), list[Finished]()

    def run(*argv: str) -> Finished:
        told.append(home.run(*argv, patience=PATIENCE))
        return told[-1]

    with ProcessWatch(home) as watch:
        assert run("agentkeys", "sandbox", "start", "--users", "2", "--json").status == 0
        _know(home, marks)
        run("agentkeys", "exec", "--refresh", "--", "sleep", "0.2")
        run("agentkeys", "sandbox", "claim", "no-such-code-no-such-code", "--json")
        for words in COMMANDS:
            run("agentkeys", *words)
            run("agentkeys", *words, "--json")
        assert run("agentkeys", "demo").status == 0
        assert run("agentkeys", "demo", "--json").status == 0
        watch.look()
    for sight in watch.sights:
        if token := sight.variables.get("AWS_CONTAINER_AUTHORIZATION_TOKEN"):
            marks.note("endpoint token", token.decode())
    for done in told:
        assert _traces(marks, done.stdout.encode() + done.stderr.encode()) == set(), done
    for path, content in files_below(home.folder):
        if not _is_the_sandbox_s_own(path):
            assert _traces(marks, content) == set(), path
    for sight in watch.sights:
        assert _traces(marks, sight.argv) == set(), sight.argv
        assert sight.is_in_run or _traces(marks, _own(sight)) == set(), sight.argv
    assert any(sight.is_in_run for sight in watch.sights)
    assert run("agentkeys", "sandbox", "stop", "--json").status == 0
    assert _traces(marks, told[-1].stdout.encode() + told[-1].stderr.encode()) == set()


def _know(home: Home, marks: Marks) -> None:
    """What programs are given, and a session and a token like those that the daemon holds."""
    answer = json.loads(home.succeed(SHIM))
    marks.note("secret access key", answer["SecretAccessKey"])
    marks.note("session token", answer["SessionToken"])
    record = load_sandbox_record(home.state / "sandbox")
    assert record
    with BrokerClient(record.broker.url) as broker:
        session = broker.managed_login(record.users[0].email)["session_jwt"]
        marks.note("broker session", session)
        marks.note("web identity token", broker.mint(session)["jwt"])


def _traces(marks: Marks, content: bytes) -> set[str]:
    found = marks.found_in(content)
    return found | {"a token"} if _JWT.search(content) else found


def _is_the_sandbox_s_own(path: Path) -> bool:
    # The store keeps what it is given, and its broker what it mails, in folders of their own.
    return "sandbox" in path.parts and path.suffix != ".log"


def _own(sight: Sight) -> bytes:
    return sight.environ or b""
