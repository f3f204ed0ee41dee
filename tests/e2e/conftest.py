"""Homes to run the installed programs in, and one sandbox for all tests that do it no harm."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from agentkeys.sandbox_record import SandboxRecord, load_sandbox_record
from tests.support.programs import Home, new_home


@pytest.fixture(scope="session")
def sandbox_home() -> Iterator[Home]:
    """A home without a configuration in which a sandbox with two users runs, and its daemon."""
    with new_home() as home:
        started = home.run("agentkeys", "sandbox", "start", "--users", "2")
        assert started.status == 0, started
        yield home


@pytest.fixture(scope="session")
def sandbox(sandbox_home: Home) -> SandboxRecord:
    """Where the sandbox's broker and store are, and who its users are."""
    record = load_sandbox_record(sandbox_home.state / "sandbox")
    assert record
    return record


@pytest.fixture
def home() -> Iterator[Home]:
    """An empty home: no configuration, no daemon, no sandbox."""
    with new_home() as empty:
        yield empty


@pytest.fixture(scope="module")
def warm_home() -> Iterator[Home]:
    """A home for all tests of a module, for those that a running daemon does not bother."""
    with new_home() as found:
        yield found


@pytest.fixture
def user_home(home: Home, sandbox_home: Home, sandbox: SandboxRecord) -> Home:
    """A home whose own configuration leads to the shared sandbox; no daemon runs in it yet."""
    home.configure((sandbox_home.state / "sandbox" / "config.toml").read_text(encoding="utf-8"))
    return home
