"""A provider to log in at, and a browser to do it with."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.browser.chromium import Browser, running_chromium
from tests.support.browser_script import HandedAddresses, browser_script
from tests.support.landing import Landing, running_landing
from tests.support.oidc_provider import OidcProvider, running_provider


@pytest.fixture(scope="session")
def oidc_provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OidcProvider]:
    with running_provider(tmp_path_factory.mktemp("provider")) as found:
        yield found


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Browser]:
    """A new one each time: nobody is logged in anywhere."""
    with running_chromium(tmp_path) as found:
        yield found


@pytest.fixture
def landing() -> Iterator[Landing]:
    """Where a client would listen for the browser's return."""
    with running_landing() as found:
        yield found


@pytest.fixture
def handed(tmp_path: Path) -> Iterator[HandedAddresses]:
    """What a program opens with $BROWSER comes here."""
    with browser_script(tmp_path) as found:
        yield found
