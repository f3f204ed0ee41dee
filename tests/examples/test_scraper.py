"""examples/scraper: plain boto3 under exec, each user in a place of their own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.clients.clients import client_named
from tests.clients.environments import install_all, programs_of
from tests.examples.examples import copy_example
from tests.support.pages import running_pages
from tests.support.programs import Finished, Home

PAGE = b"<h1>news</h1>\n"


@dataclass(frozen=True)
class Scraper:
    """The example, copied to where its users are."""

    home: Home
    url: str
    path: str

    def run(self, profile: str, *words: str) -> Finished:
        """Scrapes the page as the user of `profile`."""
        argv = ("agentkeys", "exec", "--profile", profile, "--", "scraper.py", *words, self.url)
        # As in a shell whose virtual environment is active: that is the Python to be found.
        return self.home.run(*argv, env={"PATH": self.path})

    def prefix(self, profile: str) -> str:
        """Where the user of `profile` is at home."""
        argv = ("agentkeys", "exec", "--profile", profile, "--", "printenv", "AGENTKEYS_S3_PREFIX")
        return self.home.succeed(*argv).strip()


@pytest.fixture(scope="module")
def scraper(sandbox_home: Home) -> Iterator[Scraper]:
    """With boto3 and nothing else, and a page to be scraped."""
    boto3 = client_named("boto3")
    install_all([boto3])
    copy_example("scraper", sandbox_home.work)
    with running_pages({"/news": PAGE}) as pages:
        path = f"{programs_of(boto3)}:{sandbox_home.environment['PATH']}"
        yield Scraper(sandbox_home, f"{pages.url}/news", path)


def test_everybody_keeps_pages_below_their_own_prefix(scraper: Scraper) -> None:
    """The same command, and two places."""
    places = set()
    for profile in ("sandbox", "sandbox-bob"):
        done = scraper.run(profile)
        assert (done.status, done.stderr) == (0, ""), done
        prefix = scraper.prefix(profile)
        host = scraper.url.removeprefix("http://").partition("/")[0]
        expected = f"s3://agentkeys/{prefix}{host}/news/index.html  {len(PAGE)} bytes\n"
        assert done.stdout == expected
        places.add(prefix)
    assert len(places) == 2


@pytest.mark.parametrize("whose", ["bob's", "nobody's"])
def test_the_store_refuses_another_place(scraper: Scraper, whose: str) -> None:
    """Whether or not anybody is at home there."""
    prefix = scraper.prefix("sandbox-bob") if whose == "bob's" else "bots/0xdeadbeef/"
    done = scraper.run("sandbox", "--prefix", prefix)
    assert done.status == 1
    assert done.stdout == ""
    assert "AccessDenied" in done.stderr


def test_a_page_that_is_not_there_fails_the_job(scraper: Scraper, tmp_path: Path) -> None:
    """A job's exit status is that of the program."""
    missing = Scraper(scraper.home, f"{scraper.url}/missing", scraper.path)
    done = missing.run("sandbox")
    assert done.status == 1
    assert "404" in done.stderr
