"""Headless Chromium, driven through ChromeDriver by the W3C's WebDriver protocol.

The few commands that logins need are one HTTP request each, so no client library is asked for.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.programs import PATIENCE, read_line

__all__ = ["Browser", "running_chromium"]

_CHROMIUM, _DRIVER = "chromium", "chromedriver"
# Root has no sandbox. The rest keeps Chromium from calling anybody but the pages it is shown.
_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-sync",
    "--no-first-run",
    "--no-default-browser-check",
    "--no-proxy-server",
)
_ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
_STARTED = re.compile(r"started successfully on port (\d+)")
_NO_SUCH = ("no such element", "stale element reference")


class Browser:
    """One window, with a profile that is empty at first."""

    def __init__(self, http: httpx.Client, session: str) -> None:
        self._http = http
        self._session = session

    def open(self, address: str) -> None:
        """Goes there, and comes back when the page has loaded."""
        self._call("POST", "url", url=address)

    @property
    def address(self) -> str:
        """Of the page in the window."""
        return str(self._call("GET", "url"))

    @property
    def title(self) -> str:
        return str(self._call("GET", "title"))

    def type(self, selector: str, keys: str) -> None:
        """Into the element that the CSS `selector` finds; waits until it is there."""
        self._when_there(selector, lambda path: self._call("POST", f"{path}/value", text=keys))

    def click(self, selector: str) -> None:
        """On the element that the CSS `selector` finds; waits until it is there."""
        self._when_there(selector, lambda path: self._call("POST", f"{path}/click"))

    def expect_title(self, title: str) -> None:
        """Waits until the page in the window is called that."""
        _wait_until(lambda: self.title == title, lambda: f"{title}, not {self._page()}")

    def _when_there(self, selector: str, act: Callable[[str], object]) -> None:
        def acted() -> bool:
            try:
                found = self._call("POST", "element", using="css selector", value=selector)
                act(f"element/{found[_ELEMENT]}")
            except LookupError:
                return False
            return True

        _wait_until(acted, lambda: f"{selector} in {self._page()}")

    def _page(self) -> str:
        return f"{self.address}\n{self._call('GET', 'source')}"

    def _call(self, method: str, path: str, **arguments: Any) -> Any:
        """The value of the answer; LookupError if there is no such element (any more)."""
        address = f"/session/{self._session}/{path}"
        answer = self._http.request(method, address, json=arguments if method == "POST" else None)
        value = answer.json()["value"]
        if answer.status_code != httpx.codes.OK:
            if value["error"] in _NO_SUCH:
                raise LookupError(value["message"])
            pytest.fail(f"{method} {path}: {value['message']}")
        return value


@contextmanager
def running_chromium(folder: Path) -> Iterator[Browser]:
    """A new Chromium whose profile and logs lie in `folder`; ended on the way out."""
    chromium = _find(_CHROMIUM)
    with (
        _running_driver(folder) as url,
        httpx.Client(base_url=url, timeout=PATIENCE, trust_env=False) as http,
    ):
        session = _new_session(http, chromium, folder / "profile")
        try:
            yield Browser(http, session)
        finally:
            # Chromium goes with its session, but not with the driver.
            http.delete(f"/session/{session}")


@contextmanager
def _running_driver(folder: Path) -> Iterator[str]:
    argv = [_find(_DRIVER), "--port=0", f"--log-path={folder / 'chromedriver.log'}"]
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(folder)}
    with subprocess.Popen(
        argv, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        try:
            while not (started := _STARTED.search(read_line(process.stdout))):
                pass
            yield f"http://127.0.0.1:{started[1]}"
        finally:
            process.terminate()


def _new_session(http: httpx.Client, chromium: str, profile: Path) -> str:
    options = {"binary": chromium, "args": [*_FLAGS, f"--user-data-dir={profile}"]}
    wanted = {"alwaysMatch": {"browserName": "chrome", "goog:chromeOptions": options}}
    answer = http.post("/session", json={"capabilities": wanted}).json()["value"]
    if "sessionId" not in answer:
        pytest.fail(answer["message"])
    return str(answer["sessionId"])


def _find(program: str) -> str:
    found = shutil.which(program, path="/usr/bin")
    if found is None:
        pytest.fail("apt-get install -y --no-install-recommends chromium chromium-driver")
    return found


def _wait_until(condition: Callable[[], bool], words: Callable[[], str]) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > end:
            pytest.fail(f"waited in vain for {words()}")
        time.sleep(0.02)
