"""What a daemon must not take, share or do twice, whatever is put in its way."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

from tests.support.programs import Home

CROWD = 24


def test_a_file_in_the_sockets_place_is_not_deleted(user_home: Home) -> None:
    """A mistyped AGENTKEYS_SOCKET must not cost anybody a file."""
    precious = user_home.folder / "precious"
    precious.write_text("mine")
    done = user_home.run("agentkeys", "whoami", env={"AGENTKEYS_SOCKET": str(precious)})
    assert (done.status, done.stdout) == (4, "")
    assert "is not a socket" in done.complaint()[0]
    assert precious.read_text() == "mine"


def test_a_socket_that_answers_is_never_replaced(user_home: Home) -> None:
    """Even when its lock has been cleaned away, as happens to old files in runtime folders."""
    first = json.loads(user_home.run("agentkeys", "daemon", "start", "--json").stdout)
    for lock in user_home.socket.parent.glob("*.lock"):
        lock.unlink()
    done = user_home.run("agentkeys", "daemon", "run")
    assert done.status == 1
    assert "already serves" in done.complaint()[0]
    now = json.loads(user_home.run("agentkeys", "daemon", "status", "--json").stdout)
    assert now["daemon"]["pid"] == first["daemon"]["pid"]


def test_a_made_up_user_logs_in_once_however_many_ask(user_home: Home) -> None:
    """A crowd on a daemon that has just started causes one login and one mint."""
    with ThreadPoolExecutor(CROWD) as crowd:
        answers = list(
            crowd.map(
                lambda _: user_home.run("agentkeys-credential-process"),
                range(CROWD),
            )
        )
    assert {answer.status for answer in answers} == {0}
    assert len({answer.stdout for answer in answers}) == 1
    ledger = (user_home.state / "audit" / "ledger.jsonl").read_text()
    events = [json.loads(line)["event"] for line in ledger.splitlines()]
    assert (events.count("login"), events.count("mint"), events.count("serve")) == (1, 1, CROWD)


def test_a_person_never_becomes_a_made_up_user_of_the_same_name(
    user_home: Home, sandbox_home: Home
) -> None:
    """Nobody has logged in as one's own identity only because a sandbox's user has."""
    theirs = (sandbox_home.state / "sandbox" / "config.toml").read_text()
    assert user_home.run("agentkeys", "exec", "--", "true").status == 0
    own = theirs.replace('source = "sandbox"', 'source = "broker"')
    user_home.configure("".join(line for line in own.splitlines(True) if "email" not in line))
    done = user_home.run("agentkeys", "exec", "--", "true")
    assert done.status == 125
    assert done.complaint()[0] == "nobody is logged in as sandbox"


def test_settings_are_compared_as_they_were_written(user_home: Home) -> None:
    """A closing slash or a `./` in a setting does not part a command from its own daemon."""
    odd = {
        "AGENTKEYS_STATE_DIR": f"{user_home.state}/",
        "AGENTKEYS_CONFIG": "./own.toml",
    }
    (user_home.work / "own.toml").write_text(user_home.config.read_text())
    (user_home.work / "own.toml").chmod(0o600)
    for _ in range(2):
        done = user_home.run("agentkeys", "exec", "--", "true", env=odd)
        assert (done.status, done.stderr) == (0, "")


def test_a_program_under_exec_is_told_who_it_is(user_home: Home) -> None:
    """Commands inside a run mean the run's own identity."""
    done = user_home.run(
        *["agentkeys", "exec", "-p", "sandbox-bob", "--keep-env", "AGENTKEYS_SOCKET"],
        *["--", "agentkeys", "whoami", "--json"],
    )
    assert json.loads(done.stdout)["identity"] == "sandbox-bob"
