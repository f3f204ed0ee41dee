"""`agentkeys login` at an OpenID Connect issuer, with a real browser on the person's screen."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.browser.chromium import Browser
from tests.browser.pages import log_in
from tests.support.browser_script import HandedAddresses
from tests.support.oidc_provider import PEOPLE, OidcProvider
from tests.support.programs import PATIENCE, Finished, Home, new_home, read_line


@pytest.fixture
def home(oidc_provider: OidcProvider) -> Iterator[Home]:
    """Whose one identity, `me`, is somebody at the provider."""
    with new_home() as found:
        found.configure(
            '[identities.me]\nsource = "oidc"\n'
            f'issuer = "{oidc_provider.url}"\nclient_id = "{PEOPLE}"\n'
        )
        yield found


def who(home: Home) -> Finished:
    return home.run("agentkeys", "whoami", "me", "--json")


def test_the_browser_logs_a_person_in(
    browser: Browser, handed: HandedAddresses, home: Home
) -> None:
    """The page opens by itself, and the program ends when the person is done with it."""
    with home.start("agentkeys", "login", "me", env=handed.environment) as process:
        browser.open(handed.next_address())
        log_in(browser, "alice")
        _, talk = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, talk
    found = who(home)
    assert found.status == 0, found
    assert json.loads(found.stdout)["subject"] == "account-alice", found


def test_a_refusal_ends_the_login(browser: Browser, handed: HandedAddresses, home: Home) -> None:
    """Whoever cancels in the browser need not do so at the terminal too."""
    with home.start("agentkeys", "login", "me", env=handed.environment) as process:
        browser.open(handed.next_address())
        browser.click("#cancel button")
        _, talk = process.communicate(timeout=PATIENCE)
    assert process.returncode == 3, talk
    assert "access_denied" in talk


def test_a_code_logs_a_person_in(browser: Browser, home: Home) -> None:
    """Where no browser can be opened, any other browser will do."""
    with home.start("agentkeys", "login", "me", "--no-browser") as process:
        page = read_line(process.stderr).split()[-1]
        code = read_line(process.stderr).split()[-1]
        browser.open(page)
        browser.type("input[name=user_code]", code)
        browser.click("button[form]")
        browser.click("#confirm")
        log_in(browser, "bob")
        browser.expect_title("Done")
        _, talk = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, talk
    assert json.loads(who(home).stdout)["subject"] == "account-bob"
