"""Real AWS clients, through both doors, against a real store."""

from __future__ import annotations

from pathlib import Path

import pytest

from agentkeys.sandbox_record import SandboxRecord
from tests.support.programs import Finished, Home

FOREIGN = "bots/0xdeadbeef/"

BOTO3 = """\
import json, sys
import boto3
from botocore.exceptions import ClientError

prefix, foreign = sys.argv[1:]
s3 = boto3.Session(profile_name="lab").client("s3")
s3.put_object(Bucket="agentkeys", Key=prefix + "boto3", Body=b"by boto3")
listed = s3.list_objects_v2(Bucket="agentkeys", Prefix=prefix)["Contents"]
read = s3.get_object(Bucket="agentkeys", Key=prefix + "boto3")["Body"].read().decode()
denied = []
for attempt in (
    lambda: s3.list_objects_v2(Bucket="agentkeys", Prefix=foreign),
    lambda: s3.put_object(Bucket="agentkeys", Key=foreign + "boto3", Body=b""),
    lambda: s3.get_object(Bucket="agentkeys", Key=foreign + "boto3"),
):
    try:
        attempt()
    except ClientError as problem:
        denied.append(problem.response["Error"]["Code"])
print(json.dumps({"listed": [entry["Key"] for entry in listed], "read": read, "denied": denied}))
"""

SCRAPER = """\
import os
import boto3

s3 = boto3.client("s3")
place = {"Bucket": os.environ["AGENTKEYS_S3_BUCKET"]}
page = os.environ["AGENTKEYS_S3_PREFIX"] + "page.html"
s3.put_object(**place, Key=page, Body=b"<h1>scraped</h1>")
print(s3.get_object(**place, Key=page)["Body"].read().decode())
print(boto3.Session().get_credentials().method)
s3.get_object(**place, Key="bots/0xdeadbeef/page.html")
"""


@pytest.fixture
def prefix(sandbox_home: Home) -> str:
    """The default user's own."""
    printed = sandbox_home.succeed(
        "agentkeys", "exec", "--", "sh", "-c", "echo $AGENTKEYS_S3_PREFIX"
    )
    return printed.strip()


@pytest.fixture
def client_home(sandbox_home: Home, sandbox: SandboxRecord) -> Home:
    """With a profile `lab` in ~/.aws/config that asks the shim."""
    folder = Path(sandbox_home.environment["HOME"]) / ".aws"
    folder.mkdir(exist_ok=True)
    (folder / "config").write_text(
        "[profile lab]\n"
        f"credential_process = {sandbox_home.program('agentkeys-credential-process')}"
        " --profile sandbox\n"
        f"region = us-east-1\nendpoint_url = {sandbox.store.url}\n",
        encoding="utf-8",
    )
    return sandbox_home


def aws(home: Home, *arguments: str) -> Finished:
    return home.run("aws", "--profile", "lab", *arguments, env={"AWS_PAGER": ""})


def test_the_aws_cli_works_below_the_own_prefix(
    client_home: Home, prefix: str, tmp_path: Path
) -> None:
    """It writes, lists and reads with what the shim gives it."""
    sent, received = tmp_path / "sent", tmp_path / "received"
    sent.write_text("by the AWS CLI", encoding="utf-8")
    place = f"s3://agentkeys/{prefix}"
    assert aws(client_home, "s3", "cp", str(sent), f"{place}cli").status == 0
    listed = aws(client_home, "s3", "ls", place)
    assert listed.status == 0
    assert "cli" in listed.stdout.split()
    assert aws(client_home, "s3", "cp", f"{place}cli", str(received)).status == 0
    assert received.read_text(encoding="utf-8") == "by the AWS CLI"


def test_the_aws_cli_is_denied_elsewhere(client_home: Home, prefix: str) -> None:
    """By the store, at another user's prefix and at the top."""
    for place in (f"s3://agentkeys/{FOREIGN}", "s3://agentkeys/bots/", "s3://agentkeys"):
        done = aws(client_home, "s3", "ls", place)
        assert done.status != 0
        assert done.stdout == ""
        assert "(AccessDenied)" in done.stderr


def test_boto3_works_through_the_shim(client_home: Home, prefix: str) -> None:
    """Below its own prefix, and nowhere else."""
    script = client_home.work / "by_boto3.py"
    script.write_text(BOTO3, encoding="utf-8")
    done = client_home.run("python3", script, prefix, FOREIGN)
    assert (done.status, done.stderr) == (0, "")
    assert f'"{prefix}boto3"' in done.stdout
    assert '"read": "by boto3"' in done.stdout
    assert '"denied": ["AccessDenied", "AccessDenied", "AccessDenied"]' in done.stdout


def test_a_client_shows_why_the_shim_failed(client_home: Home) -> None:
    """Our words reach the person who uses the client."""
    config = Path(client_home.environment["HOME"]) / ".aws" / "config"
    text = config.read_text(encoding="utf-8")
    config.write_text(text.replace("--profile sandbox", "--profile sandbx"), encoding="utf-8")
    done = aws(client_home, "s3", "ls", "s3://agentkeys")
    assert done.status != 0
    assert "there is no profile 'sandbx'" in done.stderr
    assert "did you mean sandbox?" in done.stderr


def test_a_scraper_runs_under_exec(client_home: Home, tmp_path: Path) -> None:
    """From a folder of its own, with what exec gives it and not what ~/.aws has."""
    (tmp_path / "scraper.py").write_text(SCRAPER, encoding="utf-8")
    env = {"AWS_PROFILE": "lab", "AWS_SECURITY_TOKEN": "stale"}
    done = client_home.run("agentkeys", "exec", "--", "scraper.py", cwd=tmp_path, env=env)
    assert done.stdout == "<h1>scraped</h1>\nenv\n"
    assert done.status == 1
    assert "(AccessDenied)" in done.stderr.splitlines()[-1]


def test_the_aws_cli_runs_under_exec(sandbox_home: Home, prefix: str) -> None:
    """Without a flag or a file: the endpoint comes along."""
    command = ["agentkeys", "exec", "--", "aws", "s3", "ls"]
    assert sandbox_home.succeed(*command[:-1], "cp", "-", f"s3://agentkeys/{prefix}cli") == ""
    assert "cli" in sandbox_home.succeed(*command, f"s3://agentkeys/{prefix}").split()
    done = sandbox_home.run(*command, f"s3://agentkeys/{FOREIGN}")
    assert "(AccessDenied)" in done.stderr


def test_the_endpoint_is_in_the_private_file_too(sandbox_home: Home, prefix: str) -> None:
    """A client that knows no endpoint variable would send these keys to AWS otherwise."""
    script = 'unset AWS_ENDPOINT_URL AWS_ENDPOINT_URL_S3; exec aws s3 ls "$0"'
    done = sandbox_home.run(
        "agentkeys", "exec", "--", "sh", "-c", script, f"s3://agentkeys/{FOREIGN}"
    )
    assert "(AccessDenied)" in done.stderr
