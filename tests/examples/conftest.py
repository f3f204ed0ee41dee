"""Homes, a sandbox, and issuers with stores that believe them, for what is in examples/."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.conftest import home, sandbox, sandbox_home
from tests.integration.conftest import federated_store, oidc_provider
from tests.support.programs import BIN, Home
from tests.support.signing_issuer import SigningIssuer, running_issuer
from tests.support.trusting_store import Trust, running_trusting_store
from tests.system.user_manager import UserManager, missing_systemd

__all__ = [
    "federated_store",
    "home",
    "issuer",
    "machine",
    "manager",
    "oidc_provider",
    "sandbox",
    "sandbox_home",
    "store",
]


@pytest.fixture(scope="module")
def issuer() -> Iterator[SigningIssuer]:
    """The one that an example's own store believes."""
    with running_issuer() as found:
        yield found


@pytest.fixture(scope="module")
def store(
    issuer: SigningIssuer, trust: Trust, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """The URL of one that believes the issuer, as far as the module's fixture `trust` says."""
    folder = tmp_path_factory.mktemp("trusting") / "store"
    with running_trusting_store(folder, issuer=issuer, trust=trust) as url:
        yield url


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
