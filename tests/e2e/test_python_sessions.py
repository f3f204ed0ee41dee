"""Sessions of boto3 and aiobotocore belong to their profile, and outlive leases and daemons."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.support.programs import PATIENCE, Home, new_home, read_line
from tests.support.python_environments import AIOBOTOCORE, python_with
from tests.support.sandbox import running_sandbox

LEASE = timedelta(seconds=8)
"""The longest that the store gives."""
LEASES = 2
"""That each program has to come to use between two events."""

PROGRAMS = Path(__file__).parent / "programs"
SDKS = ("boto3", "aiobotocore")

Life = Mapping[str, Any]


@pytest.fixture(scope="module")
def short_home() -> Iterator[Home]:
    """Where leases last for seconds, and a daemon that starts has somebody logged in."""
    with new_home() as home:
        home.state.mkdir(mode=0o700)
        folder = home.state / "sandbox"
        folder.mkdir(mode=0o700)
        with running_sandbox(folder, users=1, max_session=LEASE):
            yield home


def wait_for_leases(programs: Mapping[str, subprocess.Popen[str]]) -> None:
    """Until each has come to use so many more of them."""
    for program in programs.values():
        for _ in range(LEASES):
            assert read_line(program.stdout)


def finish(program: subprocess.Popen[str]) -> Life:
    """What it says of its life."""
    out, err = program.communicate(timeout=PATIENCE)
    assert program.returncode == 0, err
    life: Life = json.loads(out.splitlines()[-1])
    return life


@pytest.fixture(scope="module")
def lives(short_home: Home) -> Mapping[str, Life]:
    """Both at the same time, since most of it is waiting."""
    interpreters = {"boto3": Path(sys.executable), "aiobotocore": python_with(AIOBOTOCORE)}
    with ExitStack() as stack:
        programs = {
            sdk: stack.enter_context(
                short_home.start(interpreters[sdk], "-I", PROGRAMS / f"living_{sdk}.py")
            )
            for sdk in SDKS
        }
        wait_for_leases(programs)
        pid = short_home.daemon_pid()
        assert pid
        os.kill(pid, signal.SIGKILL)
        wait_for_leases(programs)
        assert short_home.daemon_pid() not in (None, pid)
        short_home.run("agentkeys", "daemon", "stop")
        wait_for_leases(programs)
        assert short_home.run("agentkeys", "daemon", "restart").status == 0
        wait_for_leases(programs)
        return {sdk: finish(program) for sdk, program in programs.items()}


@pytest.mark.parametrize("sdk", SDKS)
def test_no_call_fails(lives: Mapping[str, Life], sdk: str) -> None:
    """Through eight leases and more, while the daemon is killed, stopped and restarted."""
    assert lives[sdk]["failures"] == []
    assert lives[sdk]["calls"] > 200


SURROUNDED = """\
import asyncio
import agentkeys

async def main():
    place = await agentkeys.AsyncClient().credentials()
    session = agentkeys.aiobotocore_session()
    where = {"Bucket": place.bucket, "Key": place.prefix + "surrounded"}
    async with session.create_client("s3") as s3, session.create_client("sts") as sts:
        assert s3.meta.endpoint_url == sts.meta.endpoint_url == place.endpoint_url
        assert s3.meta.region_name == place.region
        assert s3.meta.config.retries["total_max_attempts"] == 7
        await s3.put_object(**where, Body=b"by aiobotocore")
    async with session.create_client("s3", "eu-west-1", endpoint_url="http://127.0.0.1:9") as s3:
        assert (s3.meta.endpoint_url, s3.meta.region_name) == ("http://127.0.0.1:9", "eu-west-1")
    credentials = await session.get_credentials()
    assert credentials.method == "agentkeys"
    try:
        async with agentkeys.aiobotocore_session("sandbx").create_client("s3"):
            pass
    except agentkeys.AgentkeysError as problem:
        print(problem.code)

asyncio.run(main())
"""
HOSTILE = {
    "AWS_PROFILE": "missing",
    "AWS_ACCESS_KEY_ID": "AKIAHOSTILE",
    "AWS_SECRET_ACCESS_KEY": "hostile",
    "AWS_SECURITY_TOKEN": "hostile",
    "AWS_DEFAULT_REGION": "ap-hostile-1",
    "AWS_ENDPOINT_URL": "http://hostile.example.com",
    "AWS_ENDPOINT_URL_S3": "http://hostile.example.com",
    "AWS_MAX_ATTEMPTS": "7",
}
HOSTILE_FILE = """\
[default]
aws_access_key_id = AKIAHOSTILE
aws_secret_access_key = hostile
region = ap-hostile-1
endpoint_url = http://hostile.example.com
"""


def test_the_surroundings_of_aiobotocore_have_no_say(user_home: Home) -> None:
    """Neither variables nor files; what the program says wins, and a refusal is one of ours."""
    aws = Path(user_home.environment["HOME"]) / ".aws"
    aws.mkdir()
    for file in ("config", "credentials"):
        (aws / file).write_text(HOSTILE_FILE, encoding="utf-8")
    script = user_home.work / "surrounded.py"
    script.write_text(SURROUNDED, encoding="utf-8")
    python = python_with(AIOBOTOCORE)
    printed = user_home.succeed(python, "-I", "-W", "error", script, env=HOSTILE)
    assert printed == "unknown_profile\n"
