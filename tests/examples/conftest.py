"""Homes, a sandbox, and a provider with a store that believes it, for what is in examples/."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.conftest import home, sandbox, sandbox_home
from tests.integration.conftest import federated_store, oidc_provider
from tests.support.programs import BIN, Home
from tests.system.user_manager import UserManager, missing_systemd

__all__ = [
    "federated_store",
    "home",
    "machine",
    "manager",
    "oidc_provider",
    "sandbox",
    "sandbox_home",
]


@pytest.fixture
def machine(home: Home) -> Home:
    """Somebody's home on a machine with systemd and rclone, with agentkeys in ~/.local/bin."""
    if words := missing_systemd():
        pytest.fail(words)
    if not shutil.which("rclone"):
        pytest.fail("apt-get install -y --no-install-recommends rclone")
    own = Path(home.environment["HOME"])
    home.environment["XDG_CONFIG_HOME"] = str(own / ".config")
    home.config = own / ".config" / "agentkeys" / "config.toml"
    (own / ".local" / "bin").mkdir(parents=True)
    (own / ".local" / "bin" / "agentkeys").symlink_to(BIN / "agentkeys")
    return home


@pytest.fixture
def manager(machine: Home) -> Iterator[UserManager]:
    """The systemd of whoever lives in `machine`."""
    with UserManager(machine) as running:
        yield running
