"""A machine without a person: paired by a code, and at work as its owner's agent."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from agentkeys.ethereum import new_private_key
from agentkeys.sandbox_record import SandboxRecord
from agentkeys_shell.sandbox.iam import ROLE_ARN
from tests.support.programs import PATIENCE, Finished, Home, read_line

CODE = re.compile(r" {4}([A-Za-z0-9_-]{24})")
CONFIGURATION = """
[identities.bot]
source = "broker"
url = "{broker}"

[stores.lab]
kind = "seaweedfs"
sts_endpoint = "{store}"
s3_endpoint = "{store}"

[profiles.data]
identity = "bot"
store = "lab"
role_arn = "{role}"
bucket = "agentkeys"
"""
WORK = """\
import os
import boto3

s3 = boto3.client("s3")
bucket, prefix = os.environ["AGENTKEYS_S3_BUCKET"], os.environ["AGENTKEYS_S3_PREFIX"]
s3.put_object(Bucket=bucket, Key=f"{prefix}page", Body=b"mine")
print(prefix, s3.get_object(Bucket=bucket, Key=f"{prefix}page")["Body"].read().decode())
try:
    s3.list_objects_v2(Bucket=bucket, Prefix="bots/0xdeadbeef/")
except s3.exceptions.ClientError as error:
    print(error.response["Error"]["Code"])
"""


@pytest.fixture
def machine(home: Home, sandbox: SandboxRecord) -> Home:
    """A headless one whose configuration leads to the sandbox, where nobody has logged it in."""
    text = CONFIGURATION.format(broker=sandbox.broker.url, store=sandbox.store.url, role=ROLE_ARN)
    home.configure(text)
    (home.work / "work.py").write_text(WORK, encoding="utf-8")
    return home


def pair(machine: Home, owner: Home, *claiming: str, **env: str) -> tuple[Finished, str]:
    """The login, and what the machine's owner said to the code that it showed."""
    with machine.start("agentkeys", "login", "bot", "--pair", "--json", env=env) as login:
        shown = [read_line(login.stderr)]
        while not (found := CODE.fullmatch(shown[-1])):
            shown.append(read_line(login.stderr))
        claimed = owner.succeed("agentkeys", "sandbox", "claim", found[1], *claiming)
        out, rest = login.communicate(timeout=PATIENCE)
    return Finished(login.returncode, out, "\n".join([*shown, rest])), claimed


def test_a_machine_is_paired_and_works_as_its_owner_s_agent(
    machine: Home, sandbox_home: Home
) -> None:
    """The code is on standard error, the answer on standard output; it has a prefix of its own."""
    login, claimed = pair(machine, sandbox_home, "--user", "bob", "--label", "builder-1")
    assert login.status == 0, login
    answer = json.loads(login.stdout)
    assert re.fullmatch("[0-9a-f]{64}", answer["prefix_id"])
    prefix = f"bots/{answer['prefix_id']}/"
    assert claimed == f"bob let in builder-1, s3://agentkeys/{prefix}\n"
    assert "within 10 minutes" in login.stderr
    assert "so keep it from others" in login.stderr
    worked = machine.succeed("agentkeys", "exec", "-p", "data", "--", "python", "work.py")
    assert worked.splitlines() == [f"{prefix} mine", "AccessDenied"]


def test_a_machine_with_a_key_of_its_own_is_paired_once(
    machine: Home, sandbox_home: Home, tmp_path: Path
) -> None:
    """After that its key is enough, whatever it has forgotten."""
    key = tmp_path / "agent-device.key"
    key.touch(mode=0o600)
    key.write_text(new_private_key().reveal(), encoding="ascii")
    environment = {"AGENTKEYS_DEVICE_KEY_FILE": str(key)}
    login, _ = pair(machine, sandbox_home, **environment)
    assert login.status == 0, login
    first = json.loads(login.stdout)
    machine.succeed("agentkeys", "logout", "bot")
    again = machine.succeed("agentkeys", "login", "bot", "--pair", "--json", env=environment)
    assert json.loads(again)["prefix_id"] == first["prefix_id"]


def test_a_key_that_others_can_read_pairs_nothing(machine: Home, tmp_path: Path) -> None:
    """Said before anything is asked of broker or owner."""
    key = tmp_path / "agent-device.key"
    key.write_text(new_private_key().reveal(), encoding="ascii")
    key.chmod(0o644)
    environment = {"AGENTKEYS_DEVICE_KEY_FILE": str(key)}
    done = machine.run("agentkeys", "login", "bot", "--pair", env=environment)
    assert done.status == 3
    error, hint = done.complaint()
    assert "can be opened by others" in error
    assert hint == f"run: chmod 600 {key}"


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["no-such-code-no-such-code"], "knows no such pairing code"),
        (["code", "--user", "mallory"], "has no user 'mallory'"),
        (["code", "--label", "Not A Label"], "label must be"),
    ],
)
def test_a_claim_that_makes_no_sense_is_told(
    sandbox_home: Home, argv: list[str], said: str
) -> None:
    """In one line, with what to do."""
    done = sandbox_home.run("agentkeys", "sandbox", "claim", *argv)
    assert done.status in (1, 3)
    assert said in done.complaint()[0]


def test_without_a_sandbox_there_is_nothing_to_claim(home: Home) -> None:
    """It is not started by that."""
    done = home.run("agentkeys", "sandbox", "claim", "code")
    assert done.complaint() == ("no sandbox is running", "run: agentkeys sandbox start")
    assert not home.socket.exists()
