"""`agentkeys configure-aws`: the installed program, and real AWS clients with what it writes."""

from __future__ import annotations

import json
import os
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agentkeys.sandbox_record import SandboxRecord
from tests.support.aws_configs import OTHERS
from tests.support.programs import Home

CONFIGURE = ("agentkeys", "configure-aws")
UNDO = (*CONFIGURE, "--undo")

CONFIG = """\
default_profile = "data"

[identities.me]
source = "broker"
url = "https://broker.example.com"

[stores.lab]
kind = "seaweedfs"
sts_endpoint = "http://127.0.0.1:18333"
s3_endpoint = "http://127.0.0.1:18333"

[profiles.data]
identity = "me"
store = "lab"
role_arn = "arn:aws:iam::000000000001:role/agentkeys-data"
bucket = "agentkeys"
prefix = "bots/me/"

[profiles.default]
identity = "me"
role_arn = "arn:aws:iam::111122223333:role/deploy"
region = "eu-central-1"
"""

BOTO3 = """\
import sys
import boto3
from botocore.exceptions import ClientError

prefix, = sys.argv[1:]
session = boto3.Session()
s3 = session.client("s3")
s3.put_object(Bucket="agentkeys", Key=prefix + "configured", Body=b"by configure-aws")
print(s3.get_object(Bucket="agentkeys", Key=prefix + "configured")["Body"].read().decode())
print(session.get_credentials().method, s3.meta.endpoint_url, s3.meta.region_name)
try:
    s3.list_objects_v2(Bucket="agentkeys", Prefix="bots/0xdeadbeef/")
except ClientError as problem:
    print(problem.response["Error"]["Code"])
"""


class AwsHome:
    """A home with profiles, and what AWS clients read there."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self.folder = Path(home.environment["HOME"]) / ".aws"
        self.path = self.folder / "config"

    def write(self, content: bytes) -> None:
        self.folder.mkdir(mode=0o700, exist_ok=True)
        self.path.write_bytes(content)

    def section(self, name: str, profile: str, region: str, endpoint: str | None = None) -> str:
        shim = self.home.program("agentkeys-credential-process")
        lines = [f"[{name}]", f"credential_process = {shim} --profile {profile}"]
        lines.append(f"region = {region}")
        lines += [f"endpoint_url = {endpoint}"] if endpoint else []
        return "".join(f"{line}\n" for line in lines)

    @property
    def data(self) -> str:
        return self.section("profile data", "data", "us-east-1", "http://127.0.0.1:18333")

    @property
    def default(self) -> str:
        return self.section("default", "default", "eu-central-1")

    def document(self, *arguments: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.home.succeed(*CONFIGURE, *arguments, "--json"))
        return found


@pytest.fixture
def aws(warm_home: Home) -> Iterator[AwsHome]:
    """Without an AWS configuration at first; the daemon of the home runs on."""
    warm_home.configure(CONFIG)
    found = AwsHome(warm_home)
    yield found
    warm_home.run(*UNDO)
    if found.folder.exists():
        subprocess.run(["chmod", "-R", "u+rwX", str(found.folder)], check=True)
        subprocess.run(["rm", "-r", str(found.folder)], check=True)


def test_it_writes_the_default_profile(aws: AwsHome) -> None:
    """Into a file of the user's alone, with a command that tries it out."""
    told = aws.home.succeed(*CONFIGURE)
    assert told == (
        f"added [profile data] to {aws.path}\n"
        "next: aws s3 ls s3://agentkeys/bots/me/ --profile data\n"
    )
    assert aws.path.read_text(encoding="utf-8") == aws.data
    modes = [stat.S_IMODE(path.stat().st_mode) for path in (aws.folder, aws.path)]
    assert modes == [0o700, 0o600]


def test_it_writes_the_profile_that_is_named(aws: AwsHome) -> None:
    """On the command line, or by the environment; for AWS without an endpoint."""
    aws.home.succeed(*CONFIGURE, "default")
    assert aws.path.read_text(encoding="utf-8") == aws.default
    told = aws.home.succeed(*CONFIGURE, env={"AGENTKEYS_PROFILE": "default"})
    assert told.startswith(f"unchanged: [default] in {aws.path} is as it should be\n")


def test_it_writes_all_profiles(aws: AwsHome) -> None:
    """In the order in which they are configured."""
    document = aws.document("--all")
    assert aws.path.read_text(encoding="utf-8") == f"{aws.data}\n{aws.default}"
    assert document == {
        "version": 1,
        "path": str(aws.path),
        "changed": True,
        "profiles": [
            {"name": "data", "aws_name": "data", "change": "added", "keys": []},
            {"name": "default", "aws_name": "default", "change": "added", "keys": []},
        ],
        "restored": False,
        "notes": [],
        "next": "aws s3 ls s3://agentkeys/bots/me/ --profile data",
    }


def test_it_writes_under_another_name(aws: AwsHome) -> None:
    """`default` too, which clients use when nobody says otherwise."""
    aws.home.succeed(*CONFIGURE, "data", "--as", "default")
    expected = aws.data.replace("[profile data]", "[default]")
    assert aws.path.read_text(encoding="utf-8") == expected
    aws.home.succeed(*CONFIGURE, "data", "--as", "lab")
    lab = aws.data.replace("[profile data]", "[profile lab]")
    assert aws.path.read_text(encoding="utf-8") == f"{expected}\n{lab}"
    assert aws.home.succeed(*UNDO, "data", "--as", "default")
    assert aws.path.read_text(encoding="utf-8").strip() == lab.strip()


def test_everything_else_stays_and_comes_back(aws: AwsHome) -> None:
    """Every byte of it, whatever its encoding and line ends."""
    aws.write(OTHERS)
    done = aws.home.run(*CONFIGURE)
    assert (done.status, aws.path.read_bytes()) == (0, OTHERS + f"\n\n{aws.data}".encode())
    assert done.stderr == (
        f"agentkeys: note: boto3 and the AWS CLI refuse to read {aws.path}: it is not UTF-8\n"
    )
    assert aws.home.succeed(*UNDO) == f"restored {aws.path} as it was before\n"
    assert aws.path.read_bytes() == OTHERS
    assert aws.home.succeed(*UNDO) == f"nothing to undo in {aws.path}\n"


def test_it_follows_the_configuration(aws: AwsHome) -> None:
    """Only what has changed there changes; and the user's own keys stay."""
    aws.write(b"[profile data]\noutput = json\nregion = eu-west-1\n")
    assert aws.document()["profiles"][0]["keys"] == ["credential_process", "region", "endpoint_url"]
    aws.home.configure(CONFIG.replace('kind = "seaweedfs"', 'kind = "seaweedfs"\nregion = "lab"'))
    told = aws.home.succeed(*CONFIGURE)
    assert told.startswith(f"changed [profile data] in {aws.path}: region\n")
    text = aws.path.read_text(encoding="utf-8")
    assert text.startswith("[profile data]\noutput = json\nregion = lab\ncredential_process = ")
    before = aws.path.stat().st_mtime_ns
    assert aws.document()["changed"] is False
    assert aws.path.stat().st_mtime_ns == before
    aws.home.succeed(*UNDO)
    assert aws.path.read_bytes() == b"[profile data]\noutput = json\nregion = eu-west-1\n"


def test_diff_shows_and_changes_nothing(aws: AwsHome) -> None:
    """What would be written, or undone; without a change, nothing at all."""
    shown = aws.home.succeed(*CONFIGURE, "--diff")
    added = "".join(f"+{line}\n" for line in aws.data.splitlines())
    assert shown == f"--- /dev/null\n+++ {aws.path}\n@@ -0,0 +1,4 @@\n{added}"
    assert not aws.folder.exists()
    document = aws.document("--diff")
    assert (document["diff"], document["changed"]) == (shown, False)
    aws.home.succeed(*CONFIGURE)
    assert aws.home.succeed(*CONFIGURE, "--diff") == ""
    undone = aws.home.succeed(*UNDO, "--diff")
    assert undone.startswith(f"--- {aws.path}\n+++ /dev/null\n@@ -1,4 +0,0 @@\n-[profile data]\n")
    assert aws.path.exists()


def test_undo_says_what_it_did(aws: AwsHome) -> None:
    """And needs neither a configuration nor a daemon."""
    aws.home.succeed(*CONFIGURE)
    aws.home.config.write_text("broken", encoding="utf-8")
    assert aws.home.succeed(*UNDO) == f"removed {aws.path}, which agentkeys had made\n"
    assert not aws.path.exists()
    aws.home.configure(CONFIG)
    aws.write(b"[default]\n")
    aws.home.succeed(*CONFIGURE)
    with aws.path.open("ab") as file:
        file.write(b"output = json\n")
    document = aws.document("--undo")
    assert [entry["change"] for entry in document["profiles"]] == ["removed"]
    assert (document["changed"], document["restored"]) == (True, False)
    assert aws.path.read_bytes() == b"[default]\n\n[profile data]\noutput = json\n"


def test_a_link_of_a_dotfile_manager_stays(aws: AwsHome, tmp_path: Path) -> None:
    """What it leads to is changed, and keeps who may read it."""
    real = tmp_path / "aws-config"
    real.write_bytes(b"[default]\n")
    real.chmod(0o644)
    aws.folder.mkdir()
    aws.path.symlink_to(real)
    aws.home.succeed(*CONFIGURE)
    assert aws.path.readlink() == real
    assert real.read_text(encoding="utf-8") == f"[default]\n\n{aws.data}"
    assert stat.S_IMODE(real.stat().st_mode) == 0o644


def test_the_environment_names_the_file(aws: AwsHome, tmp_path: Path) -> None:
    """As it does for AWS clients."""
    other = tmp_path / "other"
    aws.home.succeed(*CONFIGURE, env={"AWS_CONFIG_FILE": str(other)})
    assert other.read_text(encoding="utf-8") == aws.data
    assert not aws.path.exists()
    aws.home.succeed(*UNDO, env={"AWS_CONFIG_FILE": str(other)})
    assert not other.exists()


def test_keys_elsewhere_are_noted(aws: AwsHome) -> None:
    """The credentials file is read, and left as it is."""
    aws.folder.mkdir()
    (aws.folder / "credentials").write_text("[data]\naws_access_key_id = AKIA\n", encoding="utf-8")
    done = aws.home.run(*CONFIGURE)
    assert done.status == 0
    assert done.stderr == (
        f"agentkeys: note: {aws.folder}/credentials has keys for data, which AWS clients prefer"
        " to these\n"
    )


STATIC = b"[profile data]\nregion = x\naws_access_key_id = AKIAX\naws_secret_access_key = S3CR3T\n"


@pytest.mark.parametrize(
    ("content", "error", "hint"),
    [
        pytest.param(
            STATIC,
            "[profile data] in {} has aws_access_key_id (line 3), which AWS clients prefer to"
            " credential_process",
            "remove it there, or choose another name for the profile: --as NAME",
            id="static keys",
        ),
        pytest.param(
            b"region = us-east-1\n",
            "line 1 of {} stands above the first [section]",
            "mend that line first; AWS clients cannot read the file either",
            id="no header",
        ),
        pytest.param(
            b"[default]\nregion = x\n[profile data\n",
            "line 3 of {} has a bracket that is not closed",
            "mend that line first; AWS clients cannot read the file either",
            id="open bracket",
        ),
        pytest.param(b"#" * 1_000_001, "{} is over a megabyte", "check its content", id="huge"),
    ],
)
def test_what_cannot_be_edited_is_told(aws: AwsHome, content: bytes, error: str, hint: str) -> None:
    """In one line each, also by --diff; and nothing is changed."""
    aws.write(content)
    for command in (CONFIGURE, (*CONFIGURE, "--all"), (*CONFIGURE, "--diff")):
        done = aws.home.run(*command)
        assert (done.status, done.stdout) == (1, "")
        assert done.complaint() == (error.format(aws.path), hint)
    assert aws.path.read_bytes() == content


def test_a_place_that_cannot_be_written_is_told(aws: AwsHome) -> None:
    """A folder, a pipe, a read-only file, a read-only folder, a circle, a link to nowhere."""
    path, elsewhere = aws.path, "check it and its folder, or name another file with AWS_CONFIG_FILE"

    def complaint() -> tuple[str, str]:
        done = aws.home.run(*CONFIGURE)
        assert (done.status, done.stdout) == (1, "")
        return done.complaint()

    aws.folder.mkdir()
    path.mkdir()
    assert complaint() == (f"{path} is a folder", elsewhere)
    path.rmdir()
    os.mkfifo(path)
    assert complaint() == (f"{path} is no file that can be edited", elsewhere)
    path.unlink()
    path.symlink_to(path)
    assert complaint() == (f"{path} cannot be read: too many levels of symbolic links", elsewhere)
    path.unlink()
    path.symlink_to("/nowhere/config")
    assert complaint()[0] == f"{path} is a link to /nowhere/config, whose folder is not there"
    path.unlink()
    path.write_bytes(OTHERS)
    path.chmod(0o400)
    assert complaint() == (f"{path} is read-only", f"run: chmod u+w {path}")
    path.chmod(0o600)
    aws.folder.chmod(0o500)
    assert complaint() == (f"the folder of {path} is read-only", f"run: chmod u+w {aws.folder}")
    assert path.read_bytes() == OTHERS
    assert [entry.name for entry in aws.folder.iterdir()] == ["config"]


def test_the_usual_mistakes_have_the_usual_answers(aws: AwsHome) -> None:
    """No such profile, nothing configured, options that contradict each other, inside a run."""
    done = aws.home.run(*CONFIGURE, "dta")
    assert done.status == 1
    assert done.complaint() == ("there is no profile 'dta'", "did you mean data?")
    for words in (("data", "--all"), ("--all", "--as", "x"), ("",), ("data", "--as", "")):
        assert aws.home.run(*CONFIGURE, *words).status == 2
    done = aws.home.run(*CONFIGURE, "data", "--as", "my data")
    assert done.status == 1
    assert done.complaint()[0] == "'my data' is not a name that every AWS client can read"
    done = aws.home.run(*CONFIGURE, env={"AGENTKEYS_RUN": "abcdefghijklmnop"})
    assert done.status == 1
    assert done.complaint()[0] == "inside agentkeys exec, the AWS configuration cannot be written"
    aws.home.config.unlink()
    for command in (CONFIGURE, (*CONFIGURE, "--all")):
        done = aws.home.run(*command)
        assert done.status == 1
        assert done.complaint()[0] == "nothing is configured yet"
    assert not aws.folder.exists()


def test_many_at_once_lose_nothing(aws: AwsHome) -> None:
    """Each adds its own, and the last to undo restores the file."""
    aws.write(b"[default]\nregion = x\n")
    names = [f"data{number}" for number in range(5)]
    started = [aws.home.start(*CONFIGURE, "data", "--as", name) for name in names]
    for process in started:
        with process:
            assert process.wait(timeout=60) == 0
    text = aws.path.read_text(encoding="utf-8")
    assert [text.count(f"[profile {name}]\n") for name in names] == [1] * 5
    aws.home.succeed(*UNDO)
    assert aws.path.read_bytes() == b"[default]\nregion = x\n"


def test_boto3_works_with_what_is_written(
    sandbox_home: Home, sandbox: SandboxRecord, tmp_path: Path
) -> None:
    """With AWS_PROFILE and nothing else; below its own prefix, and nowhere else."""
    prefix = sandbox_home.succeed(
        "agentkeys", "exec", "--", "sh", "-c", "echo $AGENTKEYS_S3_PREFIX"
    ).strip()
    env = {"AWS_CONFIG_FILE": str(tmp_path / "config")}
    told = sandbox_home.succeed(*CONFIGURE, env=env)
    assert told.endswith(f"next: aws s3 ls s3://agentkeys/{prefix} --profile sandbox\n")
    script = tmp_path / "by_boto3.py"
    script.write_text(BOTO3, encoding="utf-8")
    done = sandbox_home.run("python3", script, prefix, env={**env, "AWS_PROFILE": "sandbox"})
    assert (done.status, done.stderr) == (0, "")
    assert done.stdout == (
        f"by configure-aws\ncustom-process {sandbox.store.url} us-east-1\nAccessDenied\n"
    )


def test_the_aws_cli_works_with_what_is_written(sandbox_home: Home, tmp_path: Path) -> None:
    """The very command that is printed."""
    env = {"AWS_CONFIG_FILE": str(tmp_path / "config"), "AWS_PAGER": ""}
    told = sandbox_home.succeed(*CONFIGURE, "--as", "default", env=env)
    step = told.splitlines()[-1].removeprefix("next: ")
    assert step.startswith("aws ")
    done = sandbox_home.run("sh", "-c", step, env=env)
    # An empty prefix is told by 1, anything that is wrong by 253 and more.
    assert done.status in (0, 1), done
    assert done.stderr == ""
