"""What a person does at the provider's pages, which are those of tests/oidc_provider."""

from __future__ import annotations

from tests.browser.chromium import Browser

__all__ = ["log_in"]


def log_in(browser: Browser, name: str) -> None:
    """Types `name` at the page that is shown first, and allows what is asked for next."""
    browser.type("input[name=login]", name)
    browser.click("#login button")
    browser.click("#consent button")
