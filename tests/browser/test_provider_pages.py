"""The provider's pages in a real browser: what a person does there, and where it leads."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.browser.chromium import Browser
from tests.browser.pages import log_in
from tests.support.browser_script import HandedAddresses
from tests.support.landing import Landing
from tests.support.oidc_client import OidcClient, claims_of
from tests.support.oidc_provider import OidcProvider

_OPEN = "import sys, webbrowser; sys.exit(not webbrowser.open(sys.argv[1]))"


@pytest.fixture
def client(oidc_provider: OidcProvider) -> Iterator[OidcClient]:
    with OidcClient(oidc_provider) as found:
        yield found


def test_a_login_lands_on_loopback_with_a_code(
    browser: Browser, landing: Landing, client: OidcClient, oidc_provider: OidcProvider
) -> None:
    """The browser brings code, state and issuer, and the code becomes the person's ID token."""
    request = client.ask_person(landing.url)
    browser.open(request.address)
    log_in(browser, "alice")
    browser.expect_title("Landed")
    answer = request.answer_in(landing.next_address())
    assert answer["iss"] == oidc_provider.url
    tokens = client.redeem(request, answer["code"]).json()
    assert claims_of(tokens["id_token"], oidc_provider)["preferred_username"] == "alice"


def test_a_refusal_lands_there_too(browser: Browser, landing: Landing, client: OidcClient) -> None:
    """Whoever cancels is sent back with an error in place of a code."""
    request = client.ask_person(landing.url)
    browser.open(request.address)
    browser.click("#cancel button")
    assert request.answer_in(landing.next_address())["error"] == "access_denied"


def test_a_name_that_nobody_has_is_asked_for_again(
    browser: Browser, landing: Landing, client: OidcClient
) -> None:
    """A slip of the finger ends nothing."""
    request = client.ask_person(landing.url)
    browser.open(request.address)
    browser.type("input[name=login]", "alcie")
    browser.click("#login button")
    log_in(browser, "alice")
    assert "code" in request.answer_in(landing.next_address())


def test_a_device_is_let_in_by_its_code(
    browser: Browser, client: OidcClient, oidc_provider: OidcProvider
) -> None:
    """The address with the code in it leaves a person nothing to type but their name."""
    device = client.start_device()
    browser.open(device["verification_uri_complete"])
    browser.click("#confirm")
    log_in(browser, "bob")
    browser.expect_title("Done")
    tokens = client.poll_device(device["device_code"]).json()
    assert claims_of(tokens["id_token"], oidc_provider)["preferred_username"] == "bob"


def test_what_a_program_opens_is_handed_over(
    browser: Browser, handed: HandedAddresses, landing: Landing, client: OidcClient
) -> None:
    """A program that opens a page with Python's `webbrowser` has it opened in our Chromium."""
    request = client.ask_person(landing.url)
    argv = [sys.executable, "-I", "-c", _OPEN, request.address]
    subprocess.run(argv, env={**os.environ, **handed.environment}, timeout=60, check=True)
    browser.open(handed.next_address())
    log_in(browser, "carol")
    assert "code" in request.answer_in(landing.next_address())
