"""An AWS CLI that predates endpoint variables: Debian 12's 2.9, under exec."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.programs import Finished, Home, new_home

AWS = Path("/usr/bin/aws")


@pytest.fixture(scope="module")
def home() -> Iterator[Home]:
    """A home with a sandbox."""
    if not AWS.exists():
        pytest.fail("Debian's AWS CLI is not here: apt-get install awscli")
    with new_home() as fresh:
        started = fresh.run("agentkeys", "sandbox", "start")
        assert started.status == 0, started
        yield fresh


def run_aws(home: Home, command: str) -> Finished:
    """The README's own advice: the endpoint as a flag, taken from the run's environment."""
    line = f'exec {AWS} --endpoint-url "$AWS_ENDPOINT_URL" {command}'
    return home.run("agentkeys", "exec", "--", "sh", "-c", line)


def test_it_reads_its_own_prefix_with_the_flag_that_the_readme_names(home: Home) -> None:
    """With the flag it writes and lists below its own prefix."""
    (home.work / "page").write_text("scraped")
    place = '"s3://$AGENTKEYS_S3_BUCKET/${AGENTKEYS_S3_PREFIX}page"'
    written = run_aws(home, f"s3 cp page {place}")
    assert written.status == 0, written
    listed = run_aws(home, 's3 ls "s3://$AGENTKEYS_S3_BUCKET/$AGENTKEYS_S3_PREFIX"')
    assert listed.status == 0, listed
    assert listed.stdout.split()[-1] == "page"


def test_the_store_refuses_it_elsewhere(home: Home) -> None:
    """Below another prefix it gets AccessDenied."""
    denied = run_aws(home, 's3 ls "s3://$AGENTKEYS_S3_BUCKET/bots/0xdeadbeef/"')
    assert denied.status != 0
    assert "AccessDenied" in denied.stderr
